"""The spaces and marks that a language's printers set, and that nobody types into a file of texts."""

import re

_BEFORE_COLON = re.compile(r" (?=:(?:\s|$))")
_BEFORE_MARK = re.compile(r" (?=[;?!%»](?:\W|$))|(?<=«) ")
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")


def typeset(text: str, language: str) -> str:
    """Return a text as it is printed in its language: in French no line begins with a colon."""
    if language != "fr":
        return text
    text = _BEFORE_MARK.sub("\u202f", _BEFORE_COLON.sub("\u00a0", text))
    return _APOSTROPHE.sub("’", text)
