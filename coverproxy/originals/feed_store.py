"""The Protocol for the state of feeds: each record's result, and the progress in each file."""

from dataclasses import dataclass
from typing import Protocol

from coverproxy.domain.spec import Identifier


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """The result of a sender's record.

    `reference`: the sender's name for the record. `stamp`: the sender's version of the picture. `seen`: the
    start of the last file that contained it, milliseconds since 1970.
    """

    source: str
    reference: str
    identifier: Identifier
    digest: bytes
    stamp: str = ""
    seen: int = 0


@dataclass(frozen=True, slots=True)
class FeedFile:
    """The progress in a sender's file.

    `stamp`: its size and mtime. `started`: milliseconds since 1970. `done`: number of steps completed.
    `ended`: when it was completely read; `again`: when to read it again; seconds since 1970. `note`: why the
    rest of it cannot be read.
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
        """Return whether the file with this stamp is finished. *now*: seconds since 1970."""
        return self.stamp == stamp and self.ended is not None and (self.again is None or self.again > now)


class FeedStore(Protocol):
    """Records and files of feeds. Every method blocks, and raises StoreUnavailable if that fails."""

    def put(self, record: FeedRecord) -> None:
        """Write a record's result, replacing its earlier one."""
        ...

    def of(self, source: str, reference: str) -> FeedRecord | None:
        """Return a record's result, or None."""
        ...

    def remove(self, source: str, reference: str) -> None:
        """Forget a record; does nothing if it is unknown."""
        ...

    def unseen(self, source: str, since: int, most: int) -> list[FeedRecord]:
        """Return at most *most* records of a sender not seen in any file since *since*, in milliseconds."""
        ...

    def count(self, source: str) -> int:
        """Return the number of known records of a sender."""
        ...

    def file(self, source: str, name: str) -> FeedFile | None:
        """Return the progress in a file, or None if it was never begun."""
        ...

    def note_file(self, file: FeedFile) -> None:
        """Write the progress in a file, replacing what was known."""
        ...

    def files(self, source: str, most: int) -> list[FeedFile]:
        """Return at most *most* files of a sender, latest begun first."""
        ...
