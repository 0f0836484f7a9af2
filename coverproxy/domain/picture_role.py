"""What a picture of a book shows, by the words in its file name."""

import re
import unicodedata

_ROLES = {
    "back": "back", "backcover": "back", "bc": "back", "rear": "back", "verso": "back", "u4": "back",
    "c4": "back",
    "rückseite": "back", "rueckseite": "back", "hinten": "back", "quatrième": "back", "quatrieme": "back",
    "contraportada": "back", "contracubierta": "back", "achterkant": "back", "achterzijde": "back",
    "spine": "spine", "buchrücken": "spine", "buchruecken": "spine", "lomo": "spine",
    "inside": "inside", "interior": "inside", "int": "inside", "page": "inside", "sample": "inside",
    "flap": "inside", "toc": "inside", "contents": "inside", "tableofcontents": "inside",
    "innen": "inside", "innenseite": "inside", "klappe": "inside", "inhalt": "inside",
    "author": "author", "authorphoto": "author", "contributor": "author",
}  # fmt: skip
"""Words that publishers and ONIX feeds append to the ISBN (978…_back.jpg, 978…_int1.jpg), in languages in
which they are not words of titles."""

_FRONT = frozenset({"front", "frontcover", "fc", "u1", "c1", "vorderseite", "vorne"})
_NOISE = frozenset(
    {"cover", "covers", "image", "img", "picture", "scan", "jacket", "the", "of", "large", "small", "medium"}
    | {"big", "high", "hi", "res", "low", "web", "print"}
)
_WORD = re.compile(r"[^\W\d_]{2,}[0-9]?|[CUcu][14](?![0-9])")
_LONG_NUMBER = re.compile(r"(?:[0-9][ -]?){8,}[0-9Xx]")
_MOST_WORDS = 2
"""More words after the ISBN are a title: 978…-back-to-methuselah."""


def role_of(stem: str) -> str | None:
    """Return what a picture shows if not the front: 'back', 'spine', 'inside' or 'author'; else None.

    *stem*: the file name without its extension. Only words after the ISBN count, since titles stand before
    it. Of two words, the first known one decides.
    """
    numbers = list(_LONG_NUMBER.finditer(stem))
    behind = stem[numbers[-1].end() :] if numbers else ""
    words = [word.lower() for word in _WORD.findall(unicodedata.normalize("NFC", behind))]
    words = [word for word in words if word not in _NOISE]
    if len(words) > _MOST_WORDS:
        return None
    for word in words:
        if word in _FRONT:
            return None
        if role := _ROLES.get(word) or _ROLES.get(word.rstrip("0123456789")):
            return role
    return None
