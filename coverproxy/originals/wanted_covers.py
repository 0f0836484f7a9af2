"""Which items want which of Open Library's covers: the work file between its dump and its archives."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Protocol

from coverproxy.domain import schemes
from coverproxy.domain.errors import NotAnIdentifier, StoreUnavailable
from coverproxy.domain.spec import Identifier
from coverproxy.originals.stored_identifier import read_identifier, stored
from coverproxy.storage import sqlite_migrations
from coverproxy.storage.sqlite_file import SqliteFile

wanted_steps = partial(sqlite_migrations.steps, resources.files(__package__), "wanted")
"""Schema steps of the work file; see sqlite_migrations.apply()."""


@dataclass(frozen=True, slots=True)
class CoverWish:
    """An item's wish for a cover by its number. `place`: among the edition's covers, the best is 0."""

    cover: int
    identifier: Identifier
    others: tuple[Identifier, ...] = ()
    place: int = 0


@dataclass(frozen=True, slots=True)
class DumpProgress:
    """How far a dump is read. `stamp`: which bytes it is, and which list chose of it."""

    name: str
    stamp: str
    lines: int = 0
    editions: int = 0
    is_read: bool = False


class WantedCovers(Protocol):
    """Wishes, and how far dump and archives are read. Every method blocks; raises StoreUnavailable."""

    def note(self, wanted: Iterable[CoverWish], progress: DumpProgress) -> None:
        """Write wishes and how far the dump is read, in one transaction."""
        ...

    def progress(self, name: str) -> DumpProgress | None:
        """Return how far a dump is read, or None."""
        ...

    def of(self, covers: range) -> Iterator[CoverWish]:
        """Yield the wishes for these covers, by number and place."""
        ...

    def is_tried(self, archive: str, stamp: str) -> bool:
        """Say whether every wish for an archive's covers was tried, as it and the wishes are now."""
        ...

    def note_tried(self, archive: str, stamp: str) -> None:
        """Note that it was."""
        ...


class SqliteWantedCovers:
    """See WantedCovers."""

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, wanted_steps, StoreUnavailable)

    @contextmanager
    def opened(self) -> Iterator["SqliteWantedCovers"]:
        """Have it open for a while. Raises StoreUnavailable, OSError."""
        self._file.open()
        try:
            yield self
        finally:
            self._file.close()

    def note(self, wanted: Iterable[CoverWish], progress: DumpProgress) -> None:
        """See WantedCovers."""
        with self._file.transaction() as run:
            for each in wanted:
                others = json.dumps([str(other) for other in each.others], separators=(",", ":"))
                values = (each.cover, *stored(each.identifier), each.place, others)
                run("INSERT OR REPLACE INTO wanted VALUES (?, ?, ?, ?, ?)", values)
            run(
                "INSERT OR REPLACE INTO dump VALUES (?, ?, ?, ?, ?)",
                (progress.name, progress.stamp, progress.lines, progress.editions, progress.is_read),
            )

    def progress(self, name: str) -> DumpProgress | None:
        """See WantedCovers."""
        rows = self._file.read("SELECT * FROM dump WHERE name = ?", (name,))
        if not rows:
            return None
        _, stamp, lines, editions, is_read = rows[0]
        return DumpProgress(name, stamp, lines, editions, bool(is_read))

    def of(self, covers: range) -> Iterator[CoverWish]:
        """See WantedCovers."""
        sql = "SELECT * FROM wanted WHERE cover >= ? AND cover < ? ORDER BY cover, place"
        for cover, scheme, value, place, others in self._file.read(sql, (covers.start, covers.stop)):
            yield CoverWish(cover, read_identifier(scheme, value), tuple(_read(others)), place)

    def is_tried(self, archive: str, stamp: str) -> bool:
        """See WantedCovers."""
        return bool(self._file.read("SELECT 1 FROM archive WHERE name = ? AND stamp = ?", (archive, stamp)))

    def note_tried(self, archive: str, stamp: str) -> None:
        """See WantedCovers."""
        self._file.write("INSERT OR REPLACE INTO archive VALUES (?, ?)", (archive, stamp))


def _read(others: str) -> Iterator[Identifier]:
    """Read other identifiers, without those of schemes that are unknown now."""
    for text in json.loads(others):
        try:
            sure = schemes.read(text).sure
        except NotAnIdentifier:
            continue
        if sure is not None:
            yield sure
