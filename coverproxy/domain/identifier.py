"""Identifiers of items, and what a text with one can mean."""

from collections.abc import Collection
from dataclasses import dataclass

ISBN = "isbn"


@dataclass(frozen=True, slots=True)
class Identifier:
    """What names an item: a scheme and a value in its canonical spelling (ISBN: 13 digits).

    Made by `schemes.parse`, which alone knows what is canonical.
    """

    scheme: str
    value: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.value}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text can mean: identifiers, in the order to try them.

    `only_one`: the identifiers contradict each other, so one is served only if it alone has a cover.
    """

    identifiers: tuple[Identifier, ...]
    only_one: bool = False

    @property
    def sure(self) -> Identifier | None:
        """The identifier that is meant whether or not it has a cover; None where that is open."""
        return None if self.only_one else self.identifiers[0]

    def pick(self, covered: Collection[Identifier]) -> Identifier | None:
        """Return the identifier that is served, *covered* being those that have a usable original."""
        found = [each for each in self.identifiers if each in covered]
        if not found or (self.only_one and len(found) > 1):
            return None
        return found[0]
