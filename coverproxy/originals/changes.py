"""Tracks how a transaction changes the pictures that books show: marks stale derivatives, dates new ones."""

from collections.abc import Iterator
from contextlib import contextmanager

from coverproxy.domain.decisions import Act
from coverproxy.domain.original import Original, shown
from coverproxy.domain.shown_change import ShownChange, kind_of
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.decode import JUDGEMENT
from coverproxy.originals.base import Catalogue, CatalogueTables

MOST_BOOKS = 1000
"""Most books with one picture that a transaction looks at."""


class Changes:
    """The books that a transaction touches, each in its state before.

    `at`: seconds since 1970. ETags consist of a derivative's mtime and length, and clients compare dates: so
    the mtime of a book's derivatives MUST never go back, and two pictures of a book must never share it.
    `act`: what a person does here, if it is one.
    """

    def __init__(self, tables: CatalogueTables, at: int) -> None:
        self.tables = tables
        self.at = at
        self.act: Act | None = None
        self._noted: set[Identifier] = set()
        self._before: dict[Identifier, list[Original]] = {}

    def watch(self, identifier: Identifier) -> list[Original]:
        """Return the originals under an identifier, and record the current ones of its item.

        MUST be called before the book is first changed or linked to another.
        """
        if identifier in self._before:
            return self.tables.find(identifier)
        found = self._before[identifier] = self.tables.of_item(identifier)
        return [each for each in found if each.identifier == identifier]

    def before(self) -> dict[Identifier, list[Original]]:
        """Return the originals of every watched book's item before the changes, best first."""
        return self._before

    def settle(self, *, keep_derivatives: bool = False) -> set[Identifier]:
        """Date what is shown now, and mark derivatives of replaced pictures stale; return their books.

        `keep_derivatives`: keep serving the old ones until others are made. MUST run in the same transaction
        as the changes.
        """
        changed = {book for book, before in self._before.items() if self._settle(book, shown(before))}
        if not keep_derivatives:
            for identifier in changed:
                self.tables.mark_stale(identifier)
        return changed

    def _settle(self, identifier: Identifier, before: list[Original]) -> bool:
        """Date a book's picture; return whether it changed."""
        after = shown(self.tables.of_item(identifier))
        if [each.digest for each in before] == [each.digest for each in after]:
            self._keep_dates(before, after)
            return False
        book = self.tables.aliases.item(identifier)
        last = self.tables.last_shown(book)
        newest = max([each.mtime for each in before] + ([last[1]] if last else []), default=None)
        if newest is None:  # the book never showed anything
            return False
        self._note(book, before, after)
        if not after:
            self.tables.note_last_shown(book, before[0].digest, newest)
            return True
        is_back = not before and last is not None and last[0] == after[0].digest
        for each in after:
            self.tables.set_since(each, newest if is_back else max(self.at, newest + 1))
        return not is_back

    def _note(self, book: Identifier, before: list[Original], after: list[Original]) -> None:
        """Record changes for clients that keep covers for ever: one per item, under however many names."""
        if book not in self._noted:
            self._noted.add(book)
            kind = kind_of(self.act, showed=bool(before), shows=bool(after))
            digest = after[0].digest if after else None
            self.tables.changed.note(ShownChange(self.at, book, kind, digest))

    def _keep_dates(self, before: list[Original], after: list[Original]) -> None:
        """Keep the dates of pictures that came again with earlier ones."""
        for old, new in zip(before, after, strict=True):
            if new.mtime < old.mtime:
                self.tables.set_since(new, old.mtime)


@contextmanager
def changing(catalogue: Catalogue, at: int, *, keep_derivatives: bool = False) -> Iterator[Changes]:
    """Open a transaction that changes books' originals, and settle what they show at its end."""
    with catalogue.writing() as tables:
        changes = Changes(tables, at)
        yield changes
        changes.settle(keep_derivatives=keep_derivatives)


def mark_faulty(catalogue: Catalogue, original: Original, fault: str, at: int) -> None:
    """Record that an original cannot be rendered; its derivatives stay until others are made."""
    with changing(catalogue, at, keep_derivatives=True) as changes:
        changes.watch(original.identifier)
        changes.tables.mark_faulty(original, fault, JUDGEMENT)


def quarantine(catalogue: Catalogue, digest: bytes, reason: str, at: int) -> None:
    """Quarantine bytes for all books; their derivatives stay."""
    with changing(catalogue, at, keep_derivatives=True) as changes:
        for each in changes.tables.with_digest(digest, MOST_BOOKS):
            changes.watch(each.identifier)
        changes.tables.quarantine(digest, reason, at)


def release(catalogue: Catalogue, digest: bytes, at: int) -> list[Original]:
    """Lift a quarantine, or a "slow" fault; return the originals that are usable again."""
    with changing(catalogue, at) as changes:
        for each in changes.tables.with_digest(digest, MOST_BOOKS):
            changes.watch(each.identifier)
        return changes.tables.release(digest)
