"""Identifiers of items, and the possible readings of a text."""

from collections.abc import Collection
from dataclasses import dataclass

ISBN = "isbn"


@dataclass(frozen=True, slots=True)
class Identifier:
    """The name of an item: a scheme and a value in canonical spelling (ISBN: 13 digits).

    Create it with `schemes.parse`, which makes the value canonical.
    """

    scheme: str
    value: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.value}"

    @property
    def listed(self) -> str:
        """As lists and pages have it, for schemes.read(): an ISBN by its digits, all else as scheme:value."""
        return self.value if self.scheme == ISBN else str(self)


@dataclass(frozen=True, slots=True)
class Reading:
    """The possible meanings of a text: identifiers, in the order to try them.

    `only_one`: the identifiers exclude each other; serve one only if it alone has a cover.
    """

    identifiers: tuple[Identifier, ...]
    only_one: bool = False

    @property
    def sure(self) -> Identifier | None:
        """The identifier that is meant whether or not it has a cover; None if that depends on covers."""
        return None if self.only_one else self.identifiers[0]

    def pick(self, covered: Collection[Identifier]) -> Identifier | None:
        """Return the identifier to serve. *covered*: the identifiers that have a usable original."""
        found = [each for each in self.identifiers if each in covered]
        if not found or (self.only_one and len(found) > 1):
            return None
        return found[0]
