"""The values that name a picture: an identifier, and the spec of one derivative."""

from dataclasses import dataclass

from coverproxy.domain import isbn
from coverproxy.domain.errors import MalformedPath
from coverproxy.domain.formats import ENDINGS, Format

ISBN = "isbn"


@dataclass(frozen=True, slots=True)
class Identifier:
    """What names a book: a scheme and a value in its canonical spelling (ISBN: 13 digits)."""

    scheme: str
    value: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.value}"

    @property
    def shard(self) -> tuple[str, str]:
        """The two folder names it lies under: digits 9-10 and 11-12.

        They are the four before the check digit of either ISBN spelling, so nginx can find them in both,
        and unlike the first digits they spread evenly (English books pile up under 978-0 and 978-1).
        """
        return self.value[-5:-3], self.value[-3:-1]

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every spelling that a file of it is found under, the canonical one first."""
        ten = isbn.to_isbn10(self.value) if self.scheme == ISBN else None
        return (self.value, ten) if ten else (self.value,)


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
