"""Downloads, in the SQLite file that holds the keys."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

from coverproxy.domain.errors import StoreUnavailable
from coverproxy.stats.downloads import Download, DownloadRow, LogMark
from coverproxy.storage import full_disk, sqlite_migrations

_ADD = """
INSERT INTO downloaded (account, day, size, shape, n) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account, day, size, shape) DO UPDATE SET n = n + excluded.n
"""


class SqliteDownloads:
    """A DownloadStore, in a file that SqliteState opens first.

    Opens a connection per call: calls are few (two a second, and one per page).
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite_migrations.connect(self._path)) as connection:
                yield connection
        except sqlite3.Error as exc:
            raise StoreUnavailable(f"{self._path.name}: {full_disk.explained(self._path, exc)}") from exc

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection

    def add_downloads(self, counts: Mapping[Download, int], mark: LogMark | None = None) -> None:
        """See DownloadStore."""
        with self._writing() as write:
            write.executemany(
                _ADD,
                (
                    (each.account, each.day.isoformat(), each.size, each.shape, n)
                    for each, n in counts.items()
                ),
            )
            if mark:
                row = (mark.file, mark.place, mark.at)
                write.execute("INSERT OR REPLACE INTO hits_log (file, place, at) VALUES (?, ?, ?)", row)

    def log_place(self, file: str) -> int:
        """See DownloadStore."""
        with self._connected() as read:
            row = read.execute("SELECT place FROM hits_log WHERE file = ?", (file,)).fetchone()
            return int(row[0]) if row else 0

    def downloads(self, account: str | None, since: date) -> list[DownloadRow]:
        """See DownloadStore."""
        sql = (
            "SELECT day, size, shape, sum(n) FROM downloaded"
            " WHERE day >= :since AND (:account IS NULL OR account = :account)"
            " GROUP BY day, size, shape ORDER BY day, size, shape"
        )
        with self._connected() as read:
            rows = read.execute(sql, {"since": since.isoformat(), "account": account})
            return [DownloadRow(date.fromisoformat(day), size, shape, n) for day, size, shape, n in rows]
