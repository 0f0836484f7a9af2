"""What a transaction changes in the picture that a book shows: old derivatives go, new ones are newer."""

from collections.abc import Iterator
from contextlib import contextmanager

from coverproxy.domain.original import Original, shown
from coverproxy.domain.spec import Identifier
from coverproxy.originals.base import Catalogue, CatalogueTables

MOST_BOOKS = 1000
"""Books of one picture that are looked at in one transaction."""


class Changes:
    """The books that a transaction touches, each as it was before.

    `at`: seconds since 1970. Tags are made of a derivative's mtime and length, and clients compare dates: so
    the mtime of a book's derivatives MUST never go back, and two pictures of one book never share it.
    """

    def __init__(self, tables: CatalogueTables, at: int) -> None:
        self.tables = tables
        self.at = at
        self._before: dict[Identifier, list[Original]] = {}

    def watch(self, identifier: Identifier) -> list[Original]:
        """Return what came for an identifier, and keep what its item has now.

        MUST be called before the book is first changed, or linked to another.
        """
        if identifier in self._before:
            return self.tables.find(identifier)
        found = self._before[identifier] = self.tables.of_item(identifier)
        return [each for each in found if each.identifier == identifier]

    def before(self) -> dict[Identifier, list[Original]]:
        """Return the originals of every watched book's item as they were, best first."""
        return self._before

    def settle(self, *, keep_derivatives: bool = False) -> set[Identifier]:
        """Date what is shown now, mark derivatives of another picture as stale; return whose are.

        `keep_derivatives`: what was shown stays shown until something else is made. MUST run in the same
        transaction as the changes.
        """
        changed = {book for book, before in self._before.items() if self._settle(book, shown(before))}
        if not keep_derivatives:
            for identifier in changed:
                self.tables.mark_stale(identifier)
        return changed

    def _settle(self, identifier: Identifier, before: list[Original]) -> bool:
        """Date a book's picture; say whether it is another one than before."""
        after = shown(self.tables.of_item(identifier))
        if [each.digest for each in before] == [each.digest for each in after]:
            self._keep_dates(before, after)
            return False
        book = self.tables.aliases.item(identifier)
        last = self.tables.last_shown(book)
        newest = max([each.mtime for each in before] + ([last[1]] if last else []), default=None)
        if newest is None:  # the book never showed anything
            return False
        if not after:
            self.tables.note_last_shown(book, before[0].digest, newest)
            return True
        is_back = not before and last is not None and last[0] == after[0].digest
        for each in after:
            self.tables.set_since(each, newest if is_back else max(self.at, newest + 1))
        return not is_back

    def _keep_dates(self, before: list[Original], after: list[Original]) -> None:
        """Keep the same pictures' dates where they came again with earlier ones."""
        for old, new in zip(before, after, strict=True):
            if new.mtime < old.mtime:
                self.tables.set_since(new, old.mtime)


@contextmanager
def changing(catalogue: Catalogue, at: int, *, keep_derivatives: bool = False) -> Iterator[Changes]:
    """Open a transaction in which books' originals change, and settle what they show at its end."""
    with catalogue.writing() as tables:
        changes = Changes(tables, at)
        yield changes
        changes.settle(keep_derivatives=keep_derivatives)


def mark_faulty(catalogue: Catalogue, original: Original, fault: str, at: int) -> None:
    """Remember that an original cannot be rendered: what was made of it stays until something else is."""
    with changing(catalogue, at, keep_derivatives=True) as changes:
        changes.watch(original.identifier)
        changes.tables.mark_faulty(original, fault)


def quarantine(catalogue: Catalogue, digest: bytes, reason: str, at: int) -> None:
    """Have bytes never decoded again, whatever book they are the cover of; what was made of them stays."""
    with changing(catalogue, at, keep_derivatives=True) as changes:
        for each in changes.tables.with_digest(digest, MOST_BOOKS):
            changes.watch(each.identifier)
        changes.tables.quarantine(digest, reason, at)


def release(catalogue: Catalogue, digest: bytes, at: int) -> list[Original]:
    """Take back a quarantine, or a fault "slow"; return the originals that are free again."""
    with changing(catalogue, at) as changes:
        for each in changes.tables.with_digest(digest, MOST_BOOKS):
            changes.watch(each.identifier)
        return changes.tables.release(digest)
