"""What all processes remember of sources: what none of them has, and which wish to be left alone."""

import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

from coverproxy.domain.spec import Identifier
from coverproxy.storage import sqlite_migrations

schema_steps = partial(sqlite_migrations.steps, resources.files(__package__), "sources")
"""What brings the file to its present version: see schema.apply()."""

_TRIM_EVERY = 256
"""Entries between looks whether there are too many: counting reads them all."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """`is_absent`: no source has it, as of not long ago. `paused`: seconds still to wait, by source."""

    is_absent: bool
    paused: Mapping[str, float]


class SourceMemory:
    """A SQLite file. Blocks on the disk; safe from several threads and processes at once.

    Not a part of the catalogue: what is not there is written with every unknown ISBN, and a change of the
    catalogue makes every process forget what it found missing. It may be deleted at any time.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._path = path
        self._most = most
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._added = 0

    def open(self) -> None:
        """Make the file and its tables where they are missing. Raises sqlite3.Error, OSError."""
        sqlite_migrations.apply(self._path, schema_steps())
        self._connection = sqlite_migrations.connect(self._path)

    def look(self, identifier: Identifier, now: float) -> Remembered:
        """Return what is remembered at *now* (seconds since 1970). Raises sqlite3.Error."""
        with self._lock:
            absent = self._opened.execute(
                "SELECT 1 FROM absent WHERE scheme = ? AND value = ? AND until > ?",
                (identifier.scheme, identifier.value, now),
            ).fetchone()
            paused = self._opened.execute(
                "SELECT source, until FROM pause WHERE until > ?", (now,)
            ).fetchall()
        return Remembered(absent is not None, {name: until - now for name, until in paused})

    def note_absent(self, identifier: Identifier, until: float, now: float) -> None:
        """Remember that no source has it. Raises sqlite3.Error."""
        values = (identifier.scheme, identifier.value, until)
        with self._lock:
            self._opened.execute("INSERT OR REPLACE INTO absent VALUES (?, ?, ?)", values)
            self._added += 1
            if self._added % _TRIM_EVERY == 0:
                self._trim(now)

    def _trim(self, now: float) -> None:
        """Forget what is over, and the soonest over of what is too much: any ISBN can be asked for."""
        self._opened.execute("DELETE FROM absent WHERE until <= ?", (now,))
        (count,) = self._opened.execute("SELECT count(*) FROM absent").fetchone()
        if count > self._most:
            self._opened.execute(
                "DELETE FROM absent WHERE (scheme, value) IN"
                " (SELECT scheme, value FROM absent ORDER BY until LIMIT ?)",
                (count - self._most,),
            )

    def forget(self, identifier: Identifier) -> None:
        """Have the sources asked again for this one. Raises sqlite3.Error."""
        with self._lock:
            self._opened.execute(
                "DELETE FROM absent WHERE scheme = ? AND value = ?", (identifier.scheme, identifier.value)
            )

    def pause(self, source: str, until: float) -> None:
        """Remember that a source wishes to be left alone. Raises sqlite3.Error."""
        with self._lock:
            self._opened.execute(
                "INSERT INTO pause VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET until = max(until, ?2)",
                (source, until),
            )

    @property
    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("what is remembered of sources is not open")
        return self._connection

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
