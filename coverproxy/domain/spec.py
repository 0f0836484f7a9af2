"""The values that name a picture: an identifier, and the spec of one derivative."""

from dataclasses import dataclass

from coverproxy.domain import isbn
from coverproxy.domain.errors import MalformedPath
from coverproxy.domain.formats import ENDINGS, Format
from coverproxy.domain.identifier import ISBN, Identifier, Reading

__all__ = ["ISBN", "Identifier", "Reading", "Spec", "Wanted", "parse"]


@dataclass(frozen=True, slots=True)
class Spec:
    """One derivative: an identifier in a named size and a format. `str()` is its only spelling."""

    identifier: Identifier
    size: str
    format: Format

    def __str__(self) -> str:
        return f"{self.size}/{self.identifier.scheme}/{self.identifier.value}.{self.format.value}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a path asks for, before it is known which reading of its ISBN has a cover.

    `forced`: the format that an ending demands, or None where `Accept` decides.
    """

    size: str
    identifiers: tuple[Identifier, ...]
    only_one: bool
    forced: Format | None

    def specs(self, form: Format) -> tuple[Spec, ...]:
        """Name the derivatives that would do, in the order to try them."""
        return tuple(Spec(identifier, self.size, form) for identifier in self.identifiers)


def parse(size: str, text: str, formats: frozenset[Format]) -> Wanted:
    """Read the last two parts of a cover's path, `{size}` and `{isbn}[.ending]`.

    *size* is already known to be configured; *formats* are those switched on. Raises NotAnIsbn, or
    MalformedPath for the ending of a format that is off.
    """
    bare, dot, ending = text.rstrip("/").rpartition(".")
    forced = ENDINGS.get(ending.lower()) if dot else None
    if forced and forced not in formats:
        raise MalformedPath(f"{forced.value} is not switched on here")
    reading = isbn.parse(bare if forced else text.rstrip("/"))
    identifiers = tuple(Identifier(ISBN, value) for value in reading.isbns)
    return Wanted(size, identifiers, reading.only_one, forced)
