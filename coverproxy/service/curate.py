"""Decisions of people: choosing, hiding, restoring and removing originals; recorded and undoable."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from coverproxy.domain.decisions import Act, Decision, Deed
from coverproxy.domain.errors import NoSuchOriginal
from coverproxy.domain.original import DIGEST_BYTES, Original, OriginalState
from coverproxy.domain.spec import Identifier
from coverproxy.originals.base import Catalogue, CatalogueTables
from coverproxy.originals.changes import MOST_BOOKS, Changes, changing
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.item_decisions import ItemDecisions
from coverproxy.service.invalidate import Invalidator

MOST_DEEDS = 200
"""Most entries of a book's history that are returned at once."""

MIN_DIGITS = 8
"""Least hex digits to name an original of a book; whole digests have 32."""


@dataclass(frozen=True, slots=True)
class Book:
    """What is known and decided about a book's originals, best first.

    `hidden_book`: the decision that hides everything for it. `hidden`: decisions about single digests, also
    of originals that are no longer here.
    """

    identifier: Identifier
    originals: tuple[Original, ...]
    hidden_book: Decision | None
    hidden: dict[bytes, Decision]

    @property
    def best(self) -> Original | None:
        """The original that is shown."""
        return next((each for each in self.originals if each.is_usable), None)


class Curator:
    """Carries out people's decisions.

    Every method blocks, is one transaction, and takes effect in all processes.
    `who`: the person's name, for the history. Raises StoreUnavailable, NoSuchOriginal.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        files: OriginalFiles,
        invalidator: Invalidator,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._catalogue = catalogue
        self._files = files
        self._invalidator = invalidator
        self._now = now

    def book(self, identifier: Identifier) -> Book:
        """Return what is known about a book's originals."""
        decisions = ItemDecisions(self._catalogue, identifier)
        return Book(
            identifier, tuple(self._catalogue.of_item(identifier)),
            decisions.hidden_book(), decisions.hidden_digests(),
        )  # fmt: skip

    def history(self, identifier: Identifier) -> list[Deed]:
        """Return a book's history, latest first."""
        return ItemDecisions(self._catalogue, identifier).history(MOST_DEEDS)

    def digest(self, identifier: Identifier, text: str) -> bytes:
        """Return the digest of the book's original that begins with these hex digits.

        Digests of hidden originals that are gone count too; any other digest needs all 32 digits.
        """
        plain = text.strip().lower()
        if len(plain) < MIN_DIGITS or len(plain) > 2 * DIGEST_BYTES or set(plain) - set("0123456789abcdef"):
            raise NoSuchOriginal(f"{text[:40]!r} is not a digest; expected {MIN_DIGITS} to 32 hex digits")
        book = self.book(identifier)
        known = {each.digest for each in book.originals} | set(book.hidden)
        found = [each for each in known if each.hex().startswith(plain)]
        if len(found) > 1:
            raise NoSuchOriginal(f"{text!r} matches several originals; expected more digits")
        if not found and len(plain) == 2 * DIGEST_BYTES:
            return bytes.fromhex(plain)
        if not found:
            raise NoSuchOriginal(f"{identifier} has no original {plain}")
        return found[0]

    def pending(self, most: int) -> list[Original]:
        """Return what waits for a review, oldest first."""
        return self._catalogue.pending(most)

    def count_pending(self) -> int:
        """Return how many originals wait for a review."""
        return self._catalogue.count_pending()

    def approve(self, identifier: Identifier, digest: bytes, by: Decision) -> None:
        """Show what waited for a review, as if it had been chosen.

        It takes the place of what the same person sent before, as a picture that needs no review does.
        """
        found = _own(self._catalogue.of_item(identifier), digest)
        if found.state is not OriginalState.PENDING:
            raise NoSuchOriginal(f"the original {digest.hex()} does not wait for a review")
        with self._deciding(identifier, Act.APPROVE, digest, by) as changes:
            others = changes.tables.of_item(identifier)
            _choose(changes.tables, identifier, digest)
            replaced = [each for each in others if is_own_earlier(each, shown=found)]
            for each in replaced:
                changes.tables.remove(each)
        for each in replaced:
            self._files.discard(each)

    def pin(self, identifier: Identifier, digest: bytes, by: Decision) -> None:
        """Show this original of the book whatever else it has; unhides it."""
        with self._deciding(identifier, Act.PIN, digest, by) as changes:
            _choose(changes.tables, identifier, digest)

    def unpin(self, identifier: Identifier, by: Decision) -> None:
        """Let the rule decide again which of a book's originals is shown."""
        with self._deciding(identifier, Act.UNPIN, None, by) as changes:
            for each in changes.tables.of_item(identifier):
                changes.tables.decide(each, each.state, is_pinned=False)

    def hide(self, identifier: Identifier, digest: bytes | None, by: Decision) -> None:
        """Hide this original of the book; None: hide everything for the book, including future originals.

        Remembered against imports, feeds and sources that bring the same again.
        """
        with self._deciding(identifier, Act.HIDE, digest, by) as changes:
            ItemDecisions(changes.tables, identifier).hide(digest, by)
            for each in changes.tables.of_item(identifier):
                if digest in (None, each.digest):
                    changes.tables.decide(each, OriginalState.HIDDEN, is_pinned=False)

    def hide_everywhere(self, identifier: Identifier, digest: bytes, by: Decision) -> list[Identifier]:
        """Hide these bytes for all books; return the books that had them."""
        with self._deciding(identifier, Act.HIDE, digest, by) as changes:
            changes.tables.decisions.hide(None, digest, by)
            same = changes.tables.with_digest(digest, MOST_BOOKS)
            for each in same:
                changes.watch(each.identifier)
                changes.tables.decide(each, OriginalState.HIDDEN, is_pinned=False)
        return [each.identifier for each in same]

    def restore(self, identifier: Identifier, digest: bytes | None, by: Decision) -> None:
        """Unhide this original; None: everything of the book."""
        with self._deciding(identifier, Act.RESTORE, digest, by) as changes:
            decisions = ItemDecisions(changes.tables, identifier)
            decisions.unhide(None)
            hidden = [digest] if digest else list(decisions.hidden_digests())
            for one in hidden:
                decisions.unhide(one)
            for each in changes.tables.of_item(identifier):
                if digest in (None, each.digest) and each.state is OriginalState.HIDDEN:
                    still = decisions.hidden(each.digest)
                    changes.tables.decide(
                        each, OriginalState.HIDDEN if still else None, is_pinned=each.is_pinned
                    )

    def restore_everywhere(self, identifier: Identifier, digest: bytes, by: Decision) -> None:
        """Unhide these bytes for all books."""
        with self._deciding(identifier, Act.RESTORE, digest, by) as changes:
            decisions = changes.tables.decisions
            decisions.unhide(None, digest)
            for each in changes.tables.with_digest(digest, MOST_BOOKS):
                changes.watch(each.identifier)
                if each.state is OriginalState.HIDDEN and not ItemDecisions(
                    changes.tables, each.identifier
                ).hidden(digest):
                    changes.tables.decide(each, None, is_pinned=each.is_pinned)

    def remove(self, identifier: Identifier, digest: bytes | None, by: Decision) -> list[Original]:
        """Delete this original of the book with its file, or all of them; return which.

        The bytes are remembered as hidden, so that the next delivery does not bring them back.
        """
        with self._deciding(identifier, Act.REMOVE, digest, by, can_undo=False) as changes:
            found = [each for each in changes.tables.of_item(identifier) if digest in (None, each.digest)]
            if not found:
                raise NoSuchOriginal(f"{identifier} has no {'such ' if digest else ''}original")
            decisions = ItemDecisions(changes.tables, identifier)
            for each in found:
                decisions.hide(each.digest, by)
                changes.tables.remove(each)
        for each in found:
            self._files.discard(each)
        return found

    def withdraw(self, identifier: Identifier, digest: bytes, by: Decision) -> None:
        """Delete a pending original for its sender; the same picture may be sent again."""
        with self._deciding(identifier, Act.REMOVE, digest, by, can_undo=False) as changes:
            found = _own(changes.tables.of_item(identifier), digest)
            if found.state is not OriginalState.PENDING:
                raise NoSuchOriginal(f"the original {digest.hex()} does not wait for a review")
            changes.tables.remove(found)
        self._files.discard(found)

    def admit(self, digest: bytes, by: Decision) -> None:
        """Admit bytes although many books have them; the next import brings them in."""
        with self._catalogue.writing() as tables:
            tables.decisions.admit(digest, by)

    def undo(self, number: int, by: Decision, of: Identifier | None = None) -> Deed:
        """Restore a book's decisions to before a history entry, *of* this book if given; return the entry."""
        deed = self._catalogue.decisions.deed(number)
        item = self._catalogue.aliases.item
        if deed is None or (of is not None and item(of) != item(deed.identifier)):
            raise NoSuchOriginal(f"the history has no number {number}")
        if deed.was is None:
            raise NoSuchOriginal(
                f"number {number} ({deed.act.value}) cannot be undone; hide the picture instead"
            )
        with self._deciding(deed.identifier, Act.UNDO, deed.digest, by) as changes:
            _put_back(changes.tables, deed.identifier, orjson.loads(deed.was), by)
        return deed

    @contextmanager
    def _deciding(
        self, identifier: Identifier, act: Act, digest: bytes | None, by: Decision, *, can_undo: bool = True
    ) -> Iterator[Changes]:
        """Open a transaction for a decision about a book, record it in the history, and apply it."""
        with changing(self._catalogue, int(self._now())) as changes:
            changes.act = act
            changes.watch(identifier)
            found = changes.tables.of_item(identifier)
            was = state_of(changes.tables, identifier, found) if can_undo else None
            yield changes
            of = next((each for each in found if each.digest == digest), None)
            source, origin = (of.source, of.origin) if of else ("", None)
            deed = Deed(by.at, by.who, act, identifier, digest, source, origin, by.note, was)
            changes.tables.decisions.log(deed)
        self._invalidator.drop_stale()


def _choose(tables: CatalogueTables, identifier: Identifier, digest: bytes) -> None:
    found = _own(tables.of_item(identifier), digest)
    decisions = ItemDecisions(tables, identifier)
    decisions.unhide(None)
    decisions.unhide(digest)
    if hidden := decisions.hidden(digest):
        raise NoSuchOriginal(f"{hidden.who} hid this original for every book; restore it first")
    for each in tables.of_item(identifier):
        is_chosen = each.digest == found.digest
        tables.decide(each, None if is_chosen else each.state, is_pinned=is_chosen)


def _own(found: Iterable[Original], digest: bytes) -> Original:
    for each in found:
        if each.digest == digest:
            return each
    raise NoSuchOriginal(f"the book has no original {digest.hex()} here")


def state_of(
    tables: CatalogueTables, identifier: Identifier, found: Iterable[Original], new: bytes | None = None
) -> str:
    """Serialise a book's decisions. *new*: the digest of a picture that comes in: undoing that hides it."""
    found = list(found)
    decisions = ItemDecisions(tables, identifier)
    state = {
        "pinned": [each.digest.hex() for each in found if each.is_pinned],
        "hidden": [digest.hex() for digest in decisions.hidden_digests()],
        "book": decisions.hidden_book() is not None,
        "pending": [each.digest.hex() for each in found if each.state is OriginalState.PENDING],
    }
    if new is not None and all(each.digest != new for each in found):
        state["new"] = new.hex()
    return orjson.dumps(state).decode()


def _put_back(tables: CatalogueTables, identifier: Identifier, was: dict[str, Any], by: Decision) -> None:
    """Restore a book's earlier decisions; for originals added since, the rule decides."""
    decisions = ItemDecisions(tables, identifier)
    before = {bytes.fromhex(text) for text in was["hidden"]}
    now = set(decisions.hidden_digests())
    for digest in now - before:
        decisions.unhide(digest)
    for digest in (before | ({bytes.fromhex(was["new"])} if "new" in was else set())) - now:
        decisions.hide(digest, by)
    if not was["book"]:
        decisions.unhide(None)
    elif decisions.hidden_book() is None:
        decisions.hide(None, by)
    waiting = was.get("pending", [])  # not in entries of earlier versions
    for each in tables.of_item(identifier):
        state, name = each.state, each.digest.hex()
        if state in (None, OriginalState.HIDDEN):
            shown = OriginalState.PENDING if name in waiting else None
            state = OriginalState.HIDDEN if decisions.hidden(each.digest) else shown
        tables.decide(each, state, is_pinned=name in was["pinned"])


def is_own_earlier(old: Original, *, shown: Original) -> bool:
    """Return whether a shown original is what the same person sent before for the item."""
    is_own = (old.source, old.who) == (shown.source, shown.who)
    return is_own and old.who is not None and old.state is None and old.digest != shown.digest
