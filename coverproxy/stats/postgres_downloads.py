"""Downloads in PostgreSQL, summed up over all nodes."""

from collections.abc import Mapping
from datetime import date

from coverproxy.stats.downloads import Download, DownloadRow, LogMark
from coverproxy.storage.postgres_pool import PostgresPool

LOCKED_FOR_NOTES = 0x636F7604
"""The advisory lock for summing: two sums of the same rows in different orders would deadlock."""

_ADD = """
INSERT INTO downloaded (account, day, size, shape, n)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
ON CONFLICT (account, day, size, shape) DO UPDATE SET n = downloaded.n + excluded.n
"""

_MARK = """
INSERT INTO hits_log (file, place, at) VALUES (%s, %s, %s)
ON CONFLICT (file) DO UPDATE SET place = excluded.place, at = excluded.at
"""


class PostgresDownloads:
    """A DownloadStore, in tables that PostgresState opens first."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    def add_downloads(self, counts: Mapping[Download, int], mark: LogMark | None = None) -> None:
        """See DownloadStore."""
        with self._pool.transaction(LOCKED_FOR_NOTES) as run:
            if counts:
                accounts, days, sizes, shapes = zip(*counts, strict=True)
                told = [day.isoformat() for day in days]
                run(_ADD, (list(accounts), told, list(sizes), list(shapes), list(counts.values())))
            if mark:
                run(_MARK, (mark.file, mark.place, mark.at))

    def log_place(self, file: str) -> int:
        """See DownloadStore."""
        rows = self._pool.read("SELECT place FROM hits_log WHERE file = %s", (file,))
        return int(rows[0][0]) if rows else 0

    def downloads(self, account: str | None, since: date) -> list[DownloadRow]:
        """See DownloadStore."""
        sql = (
            "SELECT day, size, shape, sum(n) FROM downloaded"
            " WHERE day >= %(since)s AND (%(account)s::text IS NULL OR account = %(account)s)"
            " GROUP BY day, size, shape ORDER BY day, size, shape"
        )
        rows = self._pool.read(sql, {"since": since.isoformat(), "account": account})
        return [DownloadRow(date.fromisoformat(day), size, shape, int(n)) for day, size, shape, n in rows]
