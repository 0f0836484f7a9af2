"""The Protocol for links between editions: items of one work, and declared pairs."""

from collections.abc import Iterable
from typing import Protocol

from coverproxy.domain.editions import EditionLink
from coverproxy.domain.spec import Identifier


class EditionStore(Protocol):
    """Links between items. Every method blocks, and raises StoreUnavailable if that fails."""

    def link(self, links: Iterable[EditionLink]) -> None:
        """Write pairs, each in both directions, replacing what was known of the same pair."""
        ...

    def join(self, work: str, identifiers: Iterable[Identifier]) -> None:
        """Record that items are editions of a work, such as "openlibrary:OL45804W"."""
        ...

    def of(self, identifier: Identifier, most: int) -> list[EditionLink]:
        """Return at most *most* declared links of an item, and as many by its works; never itself."""
        ...
