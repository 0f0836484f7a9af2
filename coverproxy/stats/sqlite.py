"""Activity, history and downloads, in the SQLite file that holds the keys."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from coverproxy.domain.errors import StoreUnavailable
from coverproxy.stats.sql_activity import SqlActivity
from coverproxy.storage import full_disk, sqlite_migrations
from coverproxy.storage.statement import Rows, Run

_LACK = """
INSERT INTO lacking (account, isbn, n, last, title) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account, isbn) DO UPDATE SET n = n + excluded.n, last = excluded.last,
title = CASE excluded.title WHEN '' THEN title ELSE excluded.title END
"""

_WANT = """
INSERT INTO wanted (isbn, n, last, title) VALUES (?, ?, ?, ?)
ON CONFLICT (isbn) DO UPDATE SET n = n + excluded.n, last = excluded.last,
title = CASE excluded.title WHEN '' THEN title ELSE excluded.title END
"""

_ADD = """
INSERT INTO downloaded (account, day, size, shape, n) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account, day, size, shape) DO UPDATE SET n = n + excluded.n
"""


class SqliteActivity(SqlActivity):
    """See SqlActivity. SqliteState opens the file first.

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

    def _read(self, sql: str, values: Sequence[Any]) -> Rows:
        with self._connected() as connection:
            return connection.execute(sql, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[Run]:
        with self._connected() as connection:

            def run(sql: str, values: Iterable[Any] = (), /) -> Rows:
                return connection.execute(sql, tuple(values)).fetchall()

            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield run

    def _sum_lacking(self, run: Run, rows: Sequence[tuple[str, str, int, int, str]]) -> None:
        for row in rows:
            run(_LACK, row)

    def _sum_wanted(self, run: Run, rows: Sequence[tuple[str, int, int, str]]) -> None:
        for row in rows:
            run(_WANT, row)

    def _sum_downloads(self, run: Run, rows: Sequence[tuple[str, str, str, str, int]]) -> None:
        for row in rows:
            run(_ADD, row)
