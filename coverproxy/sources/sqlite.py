"""The memory of sources, in one SQLite file for all processes of a machine."""

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import resources
from pathlib import Path

from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.spec import Identifier
from coverproxy.sources.memory import Remembered
from coverproxy.storage import ownership, sqlite_examine, sqlite_migrations
from coverproxy.storage.sqlite_file import SqliteFile
from coverproxy.storage.statement import Run

_log = logging.getLogger(__name__)

schema_steps = partial(sqlite_migrations.steps, resources.files(__package__), "sources")
"""The migrations of the file: see sqlite_migrations.apply()."""

_WAIT_SECONDS = 1.0
"""How long a write waits for another process: a client may wait for it, and nothing depends on it."""

_TRIM_EVERY = 256
"""Entries between checks whether there are too many: counting reads them all."""

_OVERFULL = (
    "DELETE FROM absent WHERE (scheme, value) IN (SELECT scheme, value FROM absent ORDER BY until LIMIT ?)"
)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process at a time open the file: else one could move aside what another has just made."""
    handle = ownership.opened(lock, os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class SqliteSourceMemory:
    """A SourceMemory of about *most* books.

    It is separate from the catalogue: it is written with every unknown ISBN, and every change of the
    catalogue clears the negative cache of every process.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._file = SqliteFile(path, schema_steps, StoreUnavailable, wait_seconds=_WAIT_SECONDS)
        self._most = most
        self._counting = threading.Lock()
        self._added = 0

    def open(self) -> None:
        """Create the file and its tables if missing; a damaged file is moved aside.

        It is a cache, so no fault of it may keep the service from starting. Raises StoreUnavailable, OSError.
        """
        path = self._file.path
        ownership.make_folder(path.parent)
        with _alone(path.with_name(path.name + "-open")):
            damage = self._file.damage
            try:
                self._file.open()
                if damage and (still := sqlite_examine.examine(path).damage):  # else it was replaced
                    raise StoreUnavailable(f"{path.name}: {still}")
            except StoreUnavailable as exc:
                if isinstance(exc.__cause__, sqlite_migrations.Locked):  # others use it
                    raise
                _log.error("the memory of sources starts empty", extra={"error": str(exc)})
                self._file.close()
                for ending in ("", "-wal", "-shm"):
                    part = path.with_name(path.name + ending)
                    if part.exists():
                        part.replace(path.with_name(f"{path.name}.damaged{ending}"))
                self._file.open()

    @property
    def is_shut(self) -> bool:
        """Whether open() must succeed before anything else can."""
        return self._file.is_shut or bool(self._file.damage)

    @property
    def damage(self) -> str:
        """See SqliteFile."""
        return self._file.damage

    def close(self) -> None:
        """Close the file; open() may follow."""
        self._file.close()

    def look(self, identifier: Identifier, now: float) -> Remembered:
        """See SourceMemory."""
        absent = self._file.read(
            "SELECT 1 FROM absent WHERE scheme = ? AND value = ? AND until > ?",
            (identifier.scheme, identifier.value, now),
        )
        paused = self._file.read("SELECT source, until FROM pause WHERE until > ?", (now,))
        return Remembered(bool(absent), {name: until - now for name, until in paused})

    def note_absent(self, identifier: Identifier, until: float, now: float) -> None:
        """See SourceMemory."""
        values = (identifier.scheme, identifier.value, until)
        self._file.write("INSERT OR REPLACE INTO absent VALUES (?, ?, ?)", values)
        with self._counting:
            self._added += 1
            is_time = self._added % _TRIM_EVERY == 0
        if is_time:
            with self._file.transaction() as run:
                self._trim(run, now)

    def _trim(self, run: Run, now: float) -> None:
        """Drop expired entries and, above the limit, those that expire first: any ISBN can be requested."""
        run("DELETE FROM absent WHERE until <= ?", (now,))
        count = run("SELECT count(*) FROM absent")[0][0]
        if count > self._most:
            run(_OVERFULL, (count - self._most,))

    def forget(self, identifier: Identifier) -> None:
        """See SourceMemory."""
        sql = "DELETE FROM absent WHERE scheme = ? AND value = ?"
        self._file.write(sql, (identifier.scheme, identifier.value))

    def pause(self, source: str, until: float) -> None:
        """See SourceMemory."""
        sql = "INSERT INTO pause VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET until = max(until, ?2)"
        self._file.write(sql, (source, until))
