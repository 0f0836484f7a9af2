"""What an identifier scheme is: how its numbers are read, spelled and stored."""

import hashlib
import re
from abc import ABC, abstractmethod

from coverproxy.domain.errors import NotAnIdentifier
from coverproxy.domain.identifier import Identifier, Reading
from coverproxy.domain.plain_text import plain

MAX_TEXT = 400
"""Characters of text that are read; a longer one is refused."""

_PAD = "00000"
_UNSAFE = re.compile(rb"[^0-9A-Za-z._-]|\A\.")

MAX_STEM = 200
"""Bytes of a file name without its ending; most file systems take 255."""


class Scheme(ABC):
    """An identifier scheme. Instances hold no state.

    `name`: its word in URLs and on disk. `title`: what people call it. `example`: a canonical value.
    `pattern`: a regular expression for canonical values, in the syntax that `re` and PCRE share.
    `labels`: an expression for what catalogues write in front of a value. `has_slashes`: whether a value
    may hold slashes, so that the rest of a path is one.
    """

    name: str
    title: str
    example: str
    pattern: str
    labels: str = ""
    has_slashes = False

    def parse(self, text: str) -> Reading:
        """Read what a catalogue sends. Raises NotAnIdentifier with the reason.

        Most schemes answer with an identifier of their own. Numbers that belong elsewhere are answered with
        an identifier of that scheme: an ISBN is an EAN too, and it is one item.
        """
        if len(text) > MAX_TEXT:
            raise self.refusal(text, f"longer than {MAX_TEXT} characters")
        bare = plain(text)
        if self.labels:
            bare = re.sub(rf"\A(?:{self.labels})\s*", "", bare, count=1, flags=re.IGNORECASE)
        return self.read(bare, text)

    @abstractmethod
    def read(self, bare: str, text: str) -> Reading:
        """Read *bare*, which is *text* without labels and in plain ASCII marks. Raises NotAnIdentifier."""

    def one(self, value: str) -> Reading:
        """Return the reading of a text that means *value* and nothing else."""
        return Reading((Identifier(self.name, value),))

    def refusal(self, text: str, why: str) -> NotAnIdentifier:
        """Return the error for a text that is not an identifier of this scheme."""
        return NotAnIdentifier(text, why, self.title)

    def stems(self, value: str) -> tuple[str, ...]:
        """Return the file names, without ending, that *value* is found under; the canonical one first."""
        return (value,)

    def shard(self, value: str) -> tuple[str, str]:
        """Return the two folder names that *value* lies under: the four characters before the last.

        These spread evenly where the first ones do not, and the check digit, often an X, is left out.
        A dot becomes `_`: a folder must not be named `..`.
        """
        padded = (_PAD + self.stems(value)[0]).replace(".", "_")
        return padded[-5:-3], padded[-3:-1]


def safe_stem(value: str) -> str:
    """Spell any text as a file name: what is not a letter, a digit or one of `._-` becomes `=` and its hex.

    One text, one name, and the reverse, for all that fit. The text of a longer name is cut and followed by
    its own SHA-256 after `==`, which no spelled-out text contains.
    """
    stem = _UNSAFE.sub(lambda found: b"=%02x" % found[0][0], value.encode()).decode()
    if len(stem) <= MAX_STEM:
        return stem
    return f"{stem[:100]}=={hashlib.sha256(value.encode()).hexdigest()}"
