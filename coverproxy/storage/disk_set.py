"""A set of keys in bounded memory: it spills to a temporary file."""

import sqlite3
from types import TracebackType
from typing import Self


class DiskSet:
    """A set of bytes, for one thread. SQLite removes its file itself, even if the process is killed."""

    def __init__(self) -> None:
        # "": a private temporary file, which SQLite keeps in memory while it is small
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA cache_size = -4096")  # KiB
        self._connection.execute("CREATE TABLE held (key BLOB PRIMARY KEY) WITHOUT ROWID")
        self._connection.execute("BEGIN")  # never committed: private

    def add(self, key: bytes) -> None:
        """Add a key."""
        self._connection.execute("INSERT OR IGNORE INTO held VALUES (?)", (key,))

    def __contains__(self, key: bytes) -> bool:
        return self._connection.execute("SELECT 1 FROM held WHERE key = ?", (key,)).fetchone() is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
