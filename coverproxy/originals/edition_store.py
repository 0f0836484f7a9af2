"""What is remembered of editions: which items are of one work, and pairs that somebody declared."""

from collections.abc import Iterable
from typing import Protocol

from coverproxy.domain.editions import EditionLink
from coverproxy.domain.spec import Identifier


class EditionStore(Protocol):
    """Links between items. Every method blocks, and raises StoreUnavailable where that fails."""

    def link(self, links: Iterable[EditionLink]) -> None:
        """Write pairs, each in both directions, in place of what was said of the same pair."""
        ...

    def join(self, work: str, identifiers: Iterable[Identifier]) -> None:
        """Note that items are editions of a work, as "openlibrary:OL45804W"."""
        ...

    def of(self, identifier: Identifier, most: int) -> list[EditionLink]:
        """Return at most *most* declared links of an item, and as many by its works; never itself."""
        ...
