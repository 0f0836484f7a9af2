"""What a catalogue promises; SQLite keeps it on one machine, PostgreSQL will on several."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from coverproxy.domain.decisions import Decision, Deed, SameBytes
from coverproxy.domain.original import Original, Quarantined, State
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.preview import Preview
from coverproxy.originals.aliases import AliasStore
from coverproxy.originals.edition_store import EditionStore
from coverproxy.originals.feed_store import FeedStore
from coverproxy.originals.provenance import Provenance


class ProvenanceStore(Protocol):
    """What sources gave: one row per book and source."""

    def put(self, row: Provenance) -> None:
        """Write one, in place of what the same source gave for the same book before."""
        ...

    def of(self, identifier: Identifier, source: str) -> Provenance | None:
        """Return what *source* gave for a book, or None."""
        ...

    def with_digest(self, digest: bytes, source: str, most: int) -> list[Provenance]:
        """Return at most *most* books for which *source* gave these bytes."""
        ...

    def claim(self, now: int, until: int, most: int) -> list[Provenance]:
        """Return what is due for another look, and have it due at *until* for all others: one atomic step.

        The oldest first; of several callers at once each gets other rows. Takes no lock where nothing is due.
        """
        ...

    def outstayed(self, now: int, most: int) -> list[Provenance]:
        """Return at most *most* whose original may not be kept any longer."""
        ...

    def let_go(self, row: Provenance) -> None:
        """Note that an original is gone, unless its source has given another one meanwhile."""
        ...

    def remove(self, row: Provenance) -> None:
        """Remove one."""
        ...


class DecisionStore(Protocol):
    """What people decided of originals, and the history of each book."""

    def hide(self, identifier: Identifier | None, digest: bytes | None, decision: Decision) -> None:
        """Remember that bytes are not to be shown. No *identifier*: for any book. No *digest*: any bytes."""
        ...

    def hidden(self, identifier: Identifier, digest: bytes) -> Decision | None:
        """Return the last decision that hides these bytes of this book, in whichever of the three ways."""
        ...

    def hidden_book(self, identifier: Identifier) -> Decision | None:
        """Return the decision that hides all that comes for a book, or None."""
        ...

    def hidden_digests(self, identifier: Identifier) -> dict[bytes, Decision]:
        """Return which bytes were hidden for this book, one by one."""
        ...

    def unhide(self, identifier: Identifier | None, digest: bytes | None) -> None:
        """Forget what hide() with the same two said; no such decision is no fault."""
        ...

    def admit(self, digest: bytes, decision: Decision) -> None:
        """Let bytes in although many books have them, and forget that they were refused.

        MUST run within writing().
        """
        ...

    def is_admitted(self, digest: bytes) -> bool:
        """Say whether a person let these bytes in although many books have them."""
        ...

    def answered(self, key: str) -> tuple[bytes, str] | None:
        """Return (digest, answer) of the upload that had this key of its own within a day, or None."""
        ...

    def note_answer(self, key: str, at: int, digest: bytes, answer: str) -> None:
        """Remember how an upload with a key of its own was answered, for a day; forget older ones."""
        ...

    def log(self, deed: Deed) -> None:
        """Write a line into a book's history; its number is given by the store, rising."""
        ...

    def history(self, identifier: Identifier, most: int) -> list[Deed]:
        """Return at most *most* lines of a book's history, the latest first."""
        ...

    def deed(self, number: int) -> Deed | None:
        """Return a line of history by its number, or None."""
        ...


class CatalogueTables(Protocol):
    """What can be read and written of the catalogue, within a transaction and outside one.

    Every method blocks, and raises StoreUnavailable where the store cannot be read or written.
    """

    @property
    def provenance(self) -> ProvenanceStore:
        """What sources gave, in the same store and, within writing(), in the same transaction."""
        ...

    @property
    def decisions(self) -> DecisionStore:
        """What people decided, in the same store and, within writing(), in the same transaction."""
        ...

    @property
    def feeds(self) -> FeedStore:
        """What is remembered of feeds, in the same store and, within writing(), in the same transaction."""
        ...

    @property
    def editions(self) -> EditionStore:
        """Links between editions, in the same store and, within writing(), in the same transaction."""
        ...

    @property
    def aliases(self) -> AliasStore:
        """Which identifiers name one item, in the same store and, within writing(), transaction."""
        ...

    def find(self, identifier: Identifier) -> list[Original]:
        """Return every original that came for *identifier*, best first; those known to be faulty too."""
        ...

    def of_item(self, identifier: Identifier) -> list[Original]:
        """Return every original of the item that *identifier* names, by any name, best first."""
        ...

    def pending(self, most: int) -> list[Original]:
        """Return at most *most* originals that wait for a review, those that wait for longest first."""
        ...

    def count_pending(self) -> int:
        """Return how many originals wait for a review."""
        ...

    def outdated(self, now: int, most: int) -> list[Original]:
        """Return at most *most* originals that are shown although their terms ended by *now*."""
        ...

    def covered(self, identifiers: Iterable[Identifier]) -> set[Identifier]:
        """Return those whose item has an original which can be shown, by a query or two for each scheme."""
        ...

    def with_digest(self, digest: bytes, most: int) -> list[Original]:
        """Return at most *most* originals that are these bytes."""
        ...

    def sample(self, most: int) -> list[Original]:
        """Return at most *most* originals, evenly by digest: of no one publisher, and without a walk."""
        ...

    def add(self, original: Original) -> None:
        """Enter an original, in place of what was known of the same bytes under the same identifier.

        Quarantined bytes stay so, whatever book they come for: one atomic step.
        """
        ...

    def remove(self, original: Original) -> None:
        """Remove one original; none is no fault."""
        ...

    def mark_faulty(self, original: Original, fault: str) -> None:
        """Remember that an original cannot be rendered: it is not decoded again."""
        ...

    def clear_fault(self, original: Original) -> None:
        """Forget that an original cannot be rendered."""
        ...

    def decide(self, original: Original, state: State | None, *, is_pinned: bool) -> None:
        """Say whether an original may be shown, and whether it is chosen before all others."""
        ...

    def set_since(self, original: Original, since: int) -> None:
        """Remember when an original took another's place, in seconds since 1970."""
        ...

    def last_shown(self, identifier: Identifier) -> tuple[bytes, int] | None:
        """Return (digest, mtime) of what a book showed before it had nothing to show, or None."""
        ...

    def note_last_shown(self, identifier: Identifier, digest: bytes, mtime: int) -> None:
        """Remember what a book showed that now has nothing to show."""
        ...

    def standing(self, digest: bytes) -> tuple[str | None, bool]:
        """Return why these bytes are quarantined, or None; and whether they are suspected."""
        ...

    def suspect(self, digest: bytes, at: int) -> None:
        """Remember that a process ended while decoding these bytes, and that it may be their doing."""
        ...

    def acquit(self, digest: bytes) -> None:
        """Forget a suspicion: these bytes were decoded, and nothing happened."""
        ...

    def quarantine(self, digest: bytes, reason: str, at: int) -> None:
        """Have these bytes never decoded again, whatever book they are the cover of: one atomic step."""
        ...

    def quarantined(self) -> list[Quarantined]:
        """Return all that is quarantined, the latest first."""
        ...

    def release(self, digest: bytes) -> list[Original]:
        """Take back a quarantine, or a fault "slow"; return the originals that are free again.

        What was made of lesser originals in the meantime is marked as stale: one atomic step.
        """
        ...

    def mark_stale(self, identifier: Identifier) -> None:
        """Remember, with the change that made it so, that a book's derivatives are to be removed."""
        ...

    def stale(self, most: int) -> list[Identifier]:
        """Return at most *most* books whose derivatives are still to be removed."""
        ...

    def unmark_stale(self, identifiers: Iterable[Identifier]) -> None:
        """Note that these books' derivatives are removed."""
        ...

    def refuse(self, digest: bytes, refused: SameBytes) -> None:
        """Remember bytes that no book may have as its cover."""
        ...

    def refusal(self, digest: bytes) -> SameBytes | None:
        """Return why these bytes are refused, or None."""
        ...

    def look(self, digest: bytes) -> Preview | None:
        """Return how these bytes look, or None where nobody has looked yet."""
        ...

    def keep_look(self, digest: bytes, look: Preview) -> None:
        """Remember how these bytes look: they never look otherwise."""
        ...

    def counts(self) -> tuple[int, int]:
        """Return how many (identifiers, originals) there are. Reads every row: for reports only."""
        ...

    def totals(self) -> tuple[int, int]:
        """Return how many (originals, identifiers) there are, kept with every change: nothing is counted."""
        ...

    def sources(self) -> list[tuple[str, int]]:
        """Return how many originals came from each source, the most first, a hundred sources at most."""
        ...


class Catalogue(CatalogueTables, Protocol):
    """Identifier → originals. Safe from several threads and processes at once; callers use any thread."""

    def open(self) -> None:
        """Make the store, or bring it to the present schema. Raises StoreUnavailable, OSError."""
        ...

    def close(self) -> None:
        """Close it; open() may follow."""
        ...

    def writing(self) -> AbstractContextManager[CatalogueTables]:
        """Give the tables within one transaction: all that is written by what is given is kept, or nothing.

        The catalogue itself does not see it meanwhile, and its own writes wait: in the same thread they fail.
        """
        ...

    def change(self) -> int:
        """Return a number that differs once anything was written here, by whatever thread, process or node.

        In memory, without a lock that others hold: the event loop may ask. Any two answers in one process can
        be compared. Never raises: where the store cannot be read, the number is one never given before.
        """
        ...

    def ping(self) -> None:
        """Read something. Raises StoreUnavailable where that fails."""
        ...
