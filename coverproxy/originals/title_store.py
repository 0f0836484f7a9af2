"""The Protocol for titles: what senders call items, whether or not these have a cover."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from coverproxy.domain.item_title import ItemTitle
from coverproxy.domain.spec import Identifier


class TitleStore(Protocol):
    """One title for each identifier. Every method blocks, and raises StoreUnavailable if that fails."""

    def keep(self, titles: Mapping[Identifier, ItemTitle]) -> None:
        """Write titles, each in place of the one before; the same again writes nothing."""
        ...

    def of(self, identifiers: Iterable[Identifier]) -> dict[Identifier, ItemTitle]:
        """Return the titles of those identifiers that have one, with one query per scheme.

        Only those under just these names: see Holdings.titles() for all names of an item.
        """
        ...
