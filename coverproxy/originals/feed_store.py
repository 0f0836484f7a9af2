"""What is remembered of feeds: what each record gave, and how far each file is read."""

from dataclasses import dataclass
from typing import Protocol

from coverproxy.domain.spec import Identifier


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """What a sender's record gave.

    `reference`: the sender's own name of the record. `stamp`: what the sender said of the picture. `seen`:
    the start of the file that named it last, milliseconds since 1970.
    """

    source: str
    reference: str
    identifier: Identifier
    digest: bytes
    stamp: str = ""
    seen: int = 0


@dataclass(frozen=True, slots=True)
class FeedFile:
    """How far a sender's file is read.

    `stamp`: its size and mtime. `started`: milliseconds since 1970. `done`: steps of it that are entered.
    `ended`: when it was read to its end, and `again`: when it is to be read once more; seconds since 1970.
    `note`: why the rest of it cannot be read.
    """

    source: str
    name: str
    stamp: str
    started: int
    done: int = 0
    ended: int | None = None
    again: int | None = None
    added: int = 0
    refused: int = 0
    note: str = ""

    def is_read(self, stamp: str, now: float) -> bool:
        """Say whether nothing is left to do of the file that now has this stamp. *now*: since 1970."""
        return self.stamp == stamp and self.ended is not None and (self.again is None or self.again > now)


class FeedStore(Protocol):
    """Records and files of feeds. Every method blocks, and raises StoreUnavailable where that fails."""

    def put(self, record: FeedRecord) -> None:
        """Write what a record gave, in place of what it gave before."""
        ...

    def of(self, source: str, reference: str) -> FeedRecord | None:
        """Return what a record gave, or None."""
        ...

    def remove(self, source: str, reference: str) -> None:
        """Forget a record; no such record is no fault."""
        ...

    def unseen(self, source: str, since: int, most: int) -> list[FeedRecord]:
        """Return at most *most* records of a sender that no file named since then, in milliseconds."""
        ...

    def count(self, source: str) -> int:
        """Return how many records of a sender are remembered."""
        ...

    def file(self, source: str, name: str) -> FeedFile | None:
        """Return how far a file is read, or None where it was never begun."""
        ...

    def note_file(self, file: FeedFile) -> None:
        """Write how far a file is read, in place of what was known of it."""
        ...

    def files(self, source: str, most: int) -> list[FeedFile]:
        """Return at most *most* files of a sender, those begun last first."""
        ...
