"""Normalises dashes and spaces in catalogues' text to ASCII."""

import unicodedata
from urllib.parse import unquote

_IGNORED = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))


def plain(text: str) -> str:
    """Decode percent-encoding once, map dashes and spaces to ASCII, drop invisible marks, and strip."""
    return ascii_marks(unquote(text) if "%" in text else text)


def ascii_marks(text: str) -> str:
    """Do the same, but leave percent signs alone, for values in which they may be literal."""
    if text.isascii() and text.isprintable():
        return text.strip()
    mapped = (
        "-" if unicodedata.category(char) == "Pd" or char == "\u2212" else " " if char.isspace() else char
        for char in text.translate(_IGNORED)
    )
    return "".join(mapped).strip()
