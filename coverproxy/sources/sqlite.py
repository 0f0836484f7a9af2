"""What is remembered of sources, in one SQLite file for all processes of a machine."""

import threading
from functools import partial
from importlib import resources
from pathlib import Path

from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.spec import Identifier
from coverproxy.sources.memory import Remembered
from coverproxy.storage import sqlite_migrations
from coverproxy.storage.sqlite_file import Run, SqliteFile

schema_steps = partial(sqlite_migrations.steps, resources.files(__package__), "sources")
"""What brings the file to its present version: see sqlite_migrations.apply()."""

_TRIM_EVERY = 256
"""Entries between looks whether there are too many: counting reads them all."""

_OVERFULL = (
    "DELETE FROM absent WHERE (scheme, value) IN (SELECT scheme, value FROM absent ORDER BY until LIMIT ?)"
)


class SqliteSourceMemory:
    """A SourceMemory of at most about *most* books.

    Not a part of the catalogue: what is not there is written with every unknown ISBN, and a change of the
    catalogue makes every process forget what it found missing.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._file = SqliteFile(path, schema_steps, StoreUnavailable)
        self._most = most
        self._counting = threading.Lock()
        self._added = 0

    def open(self) -> None:
        """Make the file and its tables where they are missing. Raises StoreUnavailable, OSError."""
        self._file.open()

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
        """Forget what is over, and the soonest over of what is too much: any ISBN can be asked for."""
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
