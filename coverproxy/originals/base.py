"""Protocols of the catalogue. SQLite serves one machine; PostgreSQL can serve several."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from coverproxy.domain.decisions import SameBytes
from coverproxy.domain.original import Original, OriginalState, Quarantined
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.preview import Preview
from coverproxy.originals.aliases import AliasStore
from coverproxy.originals.change_feed import ChangeFeed
from coverproxy.originals.decision_store import DecisionStore
from coverproxy.originals.edition_store import EditionStore
from coverproxy.originals.feed_store import FeedStore
from coverproxy.originals.notice_store import NoticeStore
from coverproxy.originals.provenance import Provenance
from coverproxy.originals.purge_store import PurgeStore
from coverproxy.originals.report_store import ReportStore
from coverproxy.originals.title_store import TitleStore
from coverproxy.originals.turn_store import TurnStore


class ProvenanceStore(Protocol):
    """What sources returned: one row per book and source."""

    def put(self, row: Provenance) -> None:
        """Write a row, replacing what the same source returned for the same book."""
        ...

    def of(self, identifier: Identifier, source: str) -> Provenance | None:
        """Return what *source* returned for a book, or None."""
        ...

    def with_digest(self, digest: bytes, source: str, most: int) -> list[Provenance]:
        """Return at most *most* books for which *source* returned these bytes."""
        ...

    def claim(self, now: int, until: int, most: int) -> list[Provenance]:
        """Return rows that are due for revalidation, and postpone them to *until* for all other callers,
        atomically.

        Oldest first; concurrent callers get different rows. Takes no lock if nothing is due.
        """
        ...

    def outstayed(self, now: int, most: int) -> list[Provenance]:
        """Return at most *most* rows whose original must be deleted now."""
        ...

    def let_go(self, row: Provenance) -> None:
        """Record that an original is gone, unless its source has returned another one meanwhile."""
        ...

    def remove(self, row: Provenance) -> None:
        """Remove a row."""
        ...


class CatalogueTables(Protocol):
    """Reads and writes of the catalogue, within a transaction and outside one.

    Every method blocks, and raises StoreUnavailable if the store cannot be read or written.
    """

    @property
    def provenance(self) -> ProvenanceStore:
        """What sources returned; same store, and within writing() the same transaction."""
        ...

    @property
    def decisions(self) -> DecisionStore:
        """People's decisions; same store, and within writing() the same transaction."""
        ...

    @property
    def feeds(self) -> FeedStore:
        """State of feeds; same store, and within writing() the same transaction."""
        ...

    @property
    def editions(self) -> EditionStore:
        """Links between editions; same store, and within writing() the same transaction."""
        ...

    @property
    def aliases(self) -> AliasStore:
        """Identifiers that name the same item; same store, and within writing() the same transaction."""
        ...

    @property
    def reports(self) -> ReportStore:
        """What readers report; same store, and within writing() the same transaction."""
        ...

    @property
    def changed(self) -> ChangeFeed:
        """What items show changed; same store, and within writing() the same transaction."""
        ...

    @property
    def purged(self) -> PurgeStore:
        """Purges of the object store; same store, and within writing() the same transaction."""
        ...

    @property
    def notices(self) -> NoticeStore:
        """Notices to be sent; same store, and within writing() the same transaction."""
        ...

    @property
    def titles(self) -> TitleStore:
        """What senders call items; same store, and within writing() the same transaction."""
        ...

    @property
    def turns(self) -> TurnStore:
        """Turns of slow work; same store, and within writing() the same transaction."""
        ...

    def find(self, identifier: Identifier) -> list[Original]:
        """Return every original that came under *identifier*, best first, including faulty ones."""
        ...

    def of_item(self, identifier: Identifier) -> list[Original]:
        """Return every original of the item that *identifier* names, by any name, best first."""
        ...

    def alone(self, identifier: Identifier) -> list[Original]:
        """Return the same by one query, if nothing links the identifier; [] if anything does, or none came.

        Most identifiers that have an original are such ones.
        """
        ...

    def pending(self, most: int) -> list[Original]:
        """Return at most *most* originals that wait for a review, longest waiting first."""
        ...

    def misjudged(self, judged: int, most: int) -> list[Original]:
        """Return originals with a fault that a decoder of a revision before *judged* found.

        Leaves out originals that are quarantined or lack their file, as no decoder judged these.
        """
        ...

    def corrupt(self, most: int) -> list[Original]:
        """Return at most *most* originals that cannot be rendered, latest first; not those quarantined."""
        ...

    def count_pending(self) -> int:
        """Return how many originals wait for a review."""
        ...

    def outdated(self, now: int, most: int) -> list[Original]:
        """Return at most *most* originals that are still shown although their terms ended by *now*."""
        ...

    def covered(self, identifiers: Iterable[Identifier]) -> set[Identifier]:
        """Return the identifiers whose item has a usable original, with one or two queries per scheme."""
        ...

    def with_digest(self, digest: bytes, most: int) -> list[Original]:
        """Return at most *most* originals with these bytes."""
        ...

    def sample(self, most: int, turn: int = 0) -> list[Original]:
        """Return at most *most* originals, sampled evenly by digest, so across publishers, without a full
        scan. Another *turn* samples others, where there are enough.
        """
        ...

    def add(self, original: Original) -> None:
        """Add an original, replacing the record of the same bytes for the same identifier.

        Quarantined bytes stay quarantined, for any book: one atomic step.
        """
        ...

    def unknown(self, originals: Sequence[Original]) -> list[Original]:
        """Return the originals whose fate nothing in the catalogue decides, with few queries.

        That is: their item has no original, no other name, no past and nothing hidden, and no item has these
        bytes, nor are they refused, quarantined or hidden.
        """
        ...

    def kept(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return those of these digests that any original has, with few queries."""
        ...

    def add_new(self, originals: Iterable[Original]) -> int:
        """Add many originals that unknown() returned in the same transaction, each of another item and with
        other bytes; return how many.
        """
        ...

    def remove(self, original: Original) -> None:
        """Remove an original; does nothing if it is not there."""
        ...

    def mark_faulty(self, original: Original, fault: str, judged: int = 0) -> None:
        """Record that an original cannot be rendered, so that it is not decoded again.

        *judged*: the decoder's revision that found so.
        """
        ...

    def clear_fault(self, original: Original) -> None:
        """Clear an original's fault."""
        ...

    def decide(self, original: Original, state: OriginalState | None, *, is_pinned: bool) -> None:
        """Set whether an original may be shown, and whether it is pinned before all others."""
        ...

    def keep_measure(self, digest: bytes, detail: float, content: float) -> None:
        """Remember how much of these bytes' size is real, for every item that has them."""
        ...

    def mark_unmeasured(self, identifier: Identifier) -> None:
        """Remember that an item has several originals, some of which must still be measured."""
        ...

    def unmeasured(self, most: int) -> list[Identifier]:
        """Return at most *most* items with originals that must still be measured."""
        ...

    def unmark_unmeasured(self, identifier: Identifier) -> None:
        """Note that an item's originals are measured, as far as they can be."""
        ...

    def set_since(self, original: Original, since: int) -> None:
        """Record when an original replaced another, in seconds since 1970."""
        ...

    def last_shown(self, identifier: Identifier) -> tuple[bytes, int] | None:
        """Return (digest, mtime) of what a book last showed before it had nothing to show, or None."""
        ...

    def note_last_shown(self, identifier: Identifier, digest: bytes, mtime: int) -> None:
        """Record what a book showed that now has nothing to show."""
        ...

    def quarantined_for(self, digest: bytes) -> str | None:
        """Return why these bytes are quarantined, or None."""
        ...

    def quarantine(self, digest: bytes, reason: str, at: int) -> None:
        """Quarantine these bytes for all books: never decode them again. One atomic step."""
        ...

    def quarantined(self) -> list[Quarantined]:
        """Return everything in quarantine, latest first."""
        ...

    def release(self, digest: bytes) -> list[Original]:
        """Lift a quarantine, or a "slow" fault; return the originals that are usable again.

        Derivatives made from lesser originals meanwhile are marked stale: one atomic step.
        """
        ...

    def mark_stale(self, identifier: Identifier) -> None:
        """Mark a book's derivatives for removal, in the transaction that made them stale."""
        ...

    def stale(self, most: int) -> list[Identifier]:
        """Return at most *most* books whose derivatives must still be removed."""
        ...

    def unmark_stale(self, identifiers: Iterable[Identifier]) -> None:
        """Record that these books' derivatives are removed."""
        ...

    def refuse(self, digest: bytes, refused: SameBytes) -> None:
        """Record bytes that may not be the cover of any book."""
        ...

    def refusal(self, digest: bytes) -> SameBytes | None:
        """Return why these bytes are refused, or None."""
        ...

    def look(self, digest: bytes) -> Preview | None:
        """Return the preview of these bytes, or None if it was never made."""
        ...

    def keep_look(self, digest: bytes, look: Preview) -> None:
        """Store the preview of these bytes, which never changes."""
        ...

    def totals(self) -> tuple[int, int]:
        """Return the number of (originals, identifiers), from counters that every change updates."""
        ...

    def sources(self) -> list[tuple[str, int]]:
        """Return the number of originals by source, largest first, at most a hundred sources."""
        ...


class Catalogue(CatalogueTables, Protocol):
    """Maps identifiers to originals. Safe for several threads and processes; callers use any thread."""

    def open(self) -> None:
        """Create the store, or migrate it to the current schema. Raises StoreUnavailable, OSError."""
        ...

    def close(self) -> None:
        """Close it; open() may follow."""
        ...

    def writing(self) -> AbstractContextManager[CatalogueTables]:
        """Yield the tables within one transaction: all writes through them are kept, or none.

        Meanwhile the catalogue itself does not see them, and its own writes wait; in the same thread they
        fail.
        """
        ...

    @property
    def tells_at_once(self) -> bool:
        """Whether change() differs from the moment a write is kept; else it follows within a second."""
        ...

    def change(self) -> int:
        """Return a number that differs after any write, by any thread, process or node.

        Reads memory and takes no contended lock, so the event loop may call it. Any two results in one
        process can be compared. Never raises: if the store cannot be read, the number is one never returned
        before.
        """
        ...

    def ping(self) -> None:
        """Read something. Raises StoreUnavailable if that fails."""
        ...
