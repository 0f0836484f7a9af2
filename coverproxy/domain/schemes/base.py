"""The base class of identifier schemes: how numbers are read, spelled and stored."""

import hashlib
import re
from abc import ABC, abstractmethod

from coverproxy.domain.errors import NotAnIdentifier
from coverproxy.domain.identifier import Identifier, Reading
from coverproxy.domain.plain_text import plain

MAX_TEXT = 400
"""Maximum length of a text, in characters."""

_PAD = "00000"
_UNSAFE = re.compile(rb"[^0-9A-Za-z._-]|\A\.")

MAX_STEM = 200
"""Maximum length of a file name without its extension, in bytes; most file systems allow 255."""


class Scheme(ABC):
    """An identifier scheme. Instances hold no state.

    `name`: its word in URLs and on disk. `title`: its name for people. `mark`: what people write before a
    value, in any language; "": the title. `example`: a canonical value.
    `pattern`: a regular expression for canonical values, in syntax that `re` and PCRE share. `labels`: an
    expression for prefixes that catalogues write before a value. `has_slashes`: whether a value may contain
    slashes, so that it extends to the end of the path.
    """

    name: str
    title: str
    mark = ""
    example: str
    pattern: str
    labels: str = ""
    has_slashes = False

    def parse(self, text: str) -> Reading:
        """Read a catalogue's text. Raises NotAnIdentifier with the reason.

        Most schemes return an identifier of their own. A number that belongs to another scheme returns an
        identifier of that one: an ISBN is also an EAN, and both name one item.
        """
        if len(text) > MAX_TEXT:
            raise self.refusal(text, f"longer than {MAX_TEXT} characters")
        bare = plain(text)
        if self.labels:
            bare = re.sub(rf"\A(?:{self.labels})\s*", "", bare, count=1, flags=re.IGNORECASE)
        return self.read(bare, text)

    @abstractmethod
    def read(self, bare: str, text: str) -> Reading:
        """Read *bare*: *text* without labels and with ASCII marks. Raises NotAnIdentifier."""

    def set_out(self, value: str) -> str:
        """Return a canonical value as people write it."""
        return value

    def one(self, value: str) -> Reading:
        """Return the reading of a text that means only *value*."""
        return Reading((Identifier(self.name, value),))

    def refusal(self, text: str, why: str) -> NotAnIdentifier:
        """Return the error for a text that is not an identifier of this scheme."""
        return NotAnIdentifier(text, why, self.title)

    def stems(self, value: str) -> tuple[str, ...]:
        """Return the file names, without extension, that find *value*; the canonical one first."""
        return (value,)

    def shard(self, value: str) -> tuple[str, str]:
        """Return the names of the two folders that hold *value*: the four characters before the last.

        These are spread evenly, unlike the first ones, and omit the check digit, which is often an X.
        A dot becomes `_`: a folder must not be named `..`.
        """
        padded = (_PAD + self.stems(value)[0]).replace(".", "_")
        return padded[-5:-3], padded[-3:-1]


def safe_stem(value: str) -> str:
    """Spell any text as a file name: all but letters, digits and `._-` becomes `=` and its hex.

    The mapping is one to one for names that fit. A longer name is cut and gets its text's SHA-256 after `==`,
    which never occurs in a spelled-out text.
    """
    stem = _UNSAFE.sub(lambda found: b"=%02x" % found[0][0], value.encode()).decode()
    if len(stem) <= MAX_STEM:
        return stem
    return f"{stem[:100]}=={hashlib.sha256(value.encode()).hexdigest()}"
