"""Activity, history and downloads in PostgreSQL, summed up over all nodes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from coverproxy.stats.sql_activity import SqlActivity
from coverproxy.storage.postgres_pool import PostgresPool
from coverproxy.storage.statement import Rows, Run, with_percent

_LOCKED_FOR_NOTES = 0x636F7604
"""The advisory lock for summing: two sums of the same rows in different orders would deadlock."""

_LACK = """
INSERT INTO lacking (account, isbn, n, last, title)
SELECT * FROM unnest(?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::text[])
ON CONFLICT (account, isbn) DO UPDATE SET n = lacking.n + excluded.n, last = excluded.last,
title = CASE excluded.title WHEN '' THEN lacking.title ELSE excluded.title END
"""

_WANT = """
INSERT INTO wanted (isbn, n, last, title)
SELECT * FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::text[])
ON CONFLICT (isbn) DO UPDATE SET n = wanted.n + excluded.n, last = excluded.last,
title = CASE excluded.title WHEN '' THEN wanted.title ELSE excluded.title END
"""

_ADD = """
INSERT INTO downloaded (account, day, size, shape, n)
SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::bigint[])
ON CONFLICT (account, day, size, shape) DO UPDATE SET n = downloaded.n + excluded.n
"""


class PostgresActivity(SqlActivity):
    """See SqlActivity. PostgresState opens the tables first. Many rows go in one statement."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool
        self._read_rows = with_percent(pool.read)

    def _read(self, sql: str, values: Sequence[Any]) -> Rows:
        return self._read_rows(sql, values)

    @contextmanager
    def _writing(self) -> Iterator[Run]:
        with self._pool.transaction(_LOCKED_FOR_NOTES) as run:
            yield with_percent(run)

    def _sum_lacking(self, run: Run, rows: Sequence[tuple[str, str, int, int, str]]) -> None:
        run(_LACK, tuple(map(list, zip(*rows, strict=True))))

    def _sum_wanted(self, run: Run, rows: Sequence[tuple[str, int, int, str]]) -> None:
        run(_WANT, tuple(map(list, zip(*rows, strict=True))))

    def _sum_downloads(self, run: Run, rows: Sequence[tuple[str, str, str, str, int]]) -> None:
        run(_ADD, tuple(map(list, zip(*rows, strict=True))))
