"""Covers counted in the thread that makes them: without a hop to the thread of the connection, and back."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from typing import Any

TAKE = """
INSERT INTO made (key, day, n) SELECT :key, :day, 1 WHERE :limit > 0
ON CONFLICT (key, day) DO UPDATE SET n = n + 1 WHERE n < :limit
RETURNING n
"""  # a plain VALUES would count one at a limit of 0

TAKE_ITEM = """
INSERT INTO made_item (day, key, item, n) SELECT :day, :key, :item, 1
WHERE EXISTS (SELECT 1 FROM made_item WHERE day = :day AND key = :key AND item = :item)
   OR coalesce((SELECT n FROM made WHERE key = :key AND day = :day), 0) < :limit
ON CONFLICT (day, key, item) DO UPDATE SET n = n + 1
RETURNING n
"""  # schema triggers count an item's first cover, so one statement is one atomic step

COUNT = "SELECT n FROM made WHERE key = :key AND day = :day"

SECONDS = 0.05
"""How long it waits for another process's lock: longer than any count takes, shorter than a render."""


class SqliteQuotaNow:
    """A QuotaNow. *connect* opens a connection; *mapped* maps SQLite's errors to the store's."""

    def __init__(
        self,
        connect: Callable[[float], sqlite3.Connection],
        mapped: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._connect = connect
        self._mapped = mapped
        self._connection: sqlite3.Connection | None = None
        self._turn = threading.Lock()

    def take(self, key: str, day: date, limit: int, item: str = "") -> int | None:
        """See QuotaNow."""
        values = {"key": key, "day": day.isoformat(), "item": item, "limit": limit}
        with self._turn:
            try:
                rows = self._run(TAKE_ITEM if item else TAKE, values)
                counts = self._run(COUNT, values) if item and rows else rows
            except sqlite3.Error:
                self._drop()
                with self._mapped():  # here, as it is six calls
                    raise
        return int(counts[0][0]) if counts else None

    def _run(self, sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = self._connect(SECONDS)
        return self._connection.execute(sql, values).fetchall()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Close its connection; the next use opens another."""
        with self._turn:
            self._drop()
