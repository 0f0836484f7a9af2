"""People's decisions about an item, under any of its names, made before or after it was linked."""

from coverproxy.domain.decisions import Decision, Deed
from coverproxy.domain.spec import Identifier
from coverproxy.originals.base import CatalogueTables


class ItemDecisions:
    """The decisions of the item that an identifier names; see DecisionStore.

    They are read by all names and written by the item's own: a link that is taken back takes none along.
    """

    def __init__(self, tables: CatalogueTables, identifier: Identifier) -> None:
        self.names = tables.aliases.names(identifier)
        self._decisions = tables.decisions

    def hide(self, digest: bytes | None, decision: Decision) -> None:
        """Remember that bytes, or all that comes, are not to be shown of this item."""
        self._decisions.hide(self.names[0], digest, decision)

    def hidden(self, digest: bytes) -> Decision | None:
        """Return a decision that hides these bytes, by any name or of every book."""
        found = (self._decisions.hidden(name, digest) for name in self.names)
        return next(filter(None, found), None)

    def hidden_book(self) -> Decision | None:
        """Return a decision that hides all that comes, or None."""
        return next(filter(None, map(self._decisions.hidden_book, self.names)), None)

    def hidden_digests(self) -> dict[bytes, Decision]:
        """Return which bytes were hidden one by one."""
        found: dict[bytes, Decision] = {}
        for name in reversed(self.names):
            found |= self._decisions.hidden_digests(name)
        return found

    def unhide(self, digest: bytes | None) -> None:
        """Forget what hides these bytes, or all that comes."""
        for name in self.names:
            self._decisions.unhide(name, digest)

    def history(self, most: int) -> list[Deed]:
        """Return at most *most* lines of the history, the latest first."""
        found = [deed for name in self.names for deed in self._decisions.history(name, most)]
        return sorted(found, key=lambda deed: deed.number, reverse=True)[:most]
