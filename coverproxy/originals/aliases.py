"""What a store of links between identifiers promises: which of them name one item."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from coverproxy.domain import schemes
from coverproxy.domain.spec import Identifier

MOST_NAMES = 100
"""Most names of one item: whatever is done to it is done for each name."""

_RANK = {name: rank for rank, name in enumerate(schemes.ALL)}


class AliasStore(Protocol):
    """Links: each leads from a name straight to an item, and an item is never the name of another.

    Every method blocks, and raises StoreUnavailable.
    """

    def item(self, identifier: Identifier) -> Identifier:
        """Return the item that an identifier names: itself where nothing links it."""
        ...

    def names(self, identifier: Identifier) -> tuple[Identifier, ...]:
        """Return every name of the item that an identifier names, the item itself first."""
        ...

    def linked(self, identifiers: Iterable[Identifier]) -> dict[Identifier, tuple[Identifier, ...]]:
        """Return names() of the identifiers that have more than one, with few queries for all."""
        ...

    def put(self, name: Identifier, item: Identifier) -> None:
        """Have a name lead to an item, in place of where it led before. See originals.linking.link()."""
        ...

    def remove(self, name: Identifier) -> None:
        """Remove a link; does nothing if there is none."""
        ...

    def after(self, name: Identifier | None, most: int) -> list[tuple[Identifier, Identifier]]:
        """Return at most *most* links (name, item) after that of a name, in the store's order."""
        ...

    def count(self) -> int:
        """Return how many links there are. Reads every row: for reports only."""
        ...

    def number(self, item: Identifier) -> int:
        """Return the item's own number, for addresses that have one; it is given by this, and for ever."""
        ...

    def numbered(self, number: int) -> Identifier | None:
        """Return the item of a number, or None."""
        ...


def chosen(items: Sequence[Identifier]) -> Identifier:
    """Return which of several items all their names are to lead to: the first of the best known scheme."""
    return min(items, key=lambda each: _RANK.get(each.scheme, len(_RANK)))
