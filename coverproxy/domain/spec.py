"""The values that name a picture: identifier, size and format."""

from dataclasses import dataclass

from coverproxy.domain import schemes
from coverproxy.domain.errors import MalformedPath
from coverproxy.domain.formats import ENDINGS, Format
from coverproxy.domain.identifier import ISBN, Identifier, Reading

__all__ = ["ISBN", "Identifier", "Reading", "Spec", "Wanted", "parse"]


@dataclass(frozen=True, slots=True)
class Spec:
    """One derivative: an identifier, a named size and a format. `str()` is its only spelling."""

    identifier: Identifier
    size: str
    format: Format

    def __str__(self) -> str:
        return f"{self.size}/{self.identifier.scheme}/{self.identifier.value}.{self.format.ending}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a path asks for, before we know which of its readings has a cover.

    `forced`: the format that the extension forces; None where `Accept` decides.
    """

    size: str
    reading: Reading
    forced: Format | None

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """The possible meanings of the path, in the order to try them."""
        return self.reading.identifiers


def parse(size: str, text: str, formats: frozenset[Format], scheme: str = ISBN) -> Wanted:
    """Parse the end of a cover's path, `{size}/{scheme}/{value}[.ending]`.

    The caller has checked *size*. *formats*: the enabled formats. Raises UnknownScheme, NotAnIdentifier, or
    MalformedPath if the extension belongs to a disabled format.
    """
    bare, dot, ending = text.rstrip("/").rpartition(".")
    forced = ENDINGS.get(ending.lower()) if dot else None
    if forced and forced not in formats:
        raise MalformedPath(f"{forced.value} is not switched on here")
    reading = schemes.parse(scheme, bare if forced else text.rstrip("/"))
    return Wanted(size, reading, forced)
