"""Downloads, beside the keys; the statements are the same in SQLite and PostgreSQL."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Any

from coverproxy.stats.downloads import Download, DownloadRow, LogMark
from coverproxy.storage.statement import Rows, Run

_MARK = (
    "INSERT INTO hits_log (file, place, at) VALUES (?, ?, ?)"
    " ON CONFLICT (file) DO UPDATE SET place = excluded.place, at = excluded.at"
)
_DOWNLOADS = (
    "SELECT day, size, shape, sum(n) FROM downloaded"
    " WHERE day >= ? AND (CAST(? AS text) IS NULL OR account = ?)"
    " GROUP BY day, size, shape ORDER BY day, size, shape"
)


class SqlDownloads(ABC):
    """A DownloadStore, in tables that the store of the keys opens first."""

    @abstractmethod
    def _read(self, sql: str, values: Sequence[Any]) -> Rows:
        """Run a query with `?` marks."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Run]:
        """Run statements with `?` marks in one transaction, while nobody else sums."""

    @abstractmethod
    def _sum_downloads(self, run: Run, rows: Sequence[tuple[str, str, str, str, int]]) -> None:
        """Add rows (account, day, size, shape, count)."""

    def add_downloads(self, counts: Mapping[Download, int], mark: LogMark | None = None) -> None:
        """See DownloadStore."""
        rows = [(each.account, each.day.isoformat(), each.size, each.shape, n) for each, n in counts.items()]
        with self._writing() as run:
            if rows:
                self._sum_downloads(run, rows)
            if mark:
                run(_MARK, (mark.file, mark.place, mark.at))

    def log_place(self, file: str) -> int:
        """See DownloadStore."""
        rows = self._read("SELECT place FROM hits_log WHERE file = ?", (file,))
        return int(rows[0][0]) if rows else 0

    def downloads(self, account: str | None, since: date) -> list[DownloadRow]:
        """See DownloadStore."""
        rows = self._read(_DOWNLOADS, (since.isoformat(), account, account))
        return [DownloadRow(date.fromisoformat(day), size, shape, int(n)) for day, size, shape, n in rows]
