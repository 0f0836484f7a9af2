"""Counts of downloaded covers, sent by the app or by the web server."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, NamedTuple, Protocol

from coverproxy.domain.errors import Unavailable
from coverproxy.stats.write_behind import written_every

if TYPE_CHECKING:
    from coverproxy.stats.metrics import Metrics

DOWNLOAD_DAYS = 30
"""Days that are shown; those before them are forgotten."""

NATIVE = "librarything"
"""The shape of our own addresses."""

MOST_WAITING = 20_000
"""Most counts that wait for the next write; further ones are dropped, and counted as lost."""

_EVERY_SECONDS = 0.5

_log = logging.getLogger(__name__)


class Download(NamedTuple):
    """What a download is counted by. `day`: of the quota's time zone. `shape`: the form of the address."""

    account: str
    day: date
    size: str
    shape: str


@dataclass(frozen=True, slots=True)
class LogMark:
    """How far a log was read. `file`: names it for good. `place`: bytes. `at`: seconds since 1970."""

    file: str
    place: int
    at: int


@dataclass(frozen=True, slots=True)
class DownloadRow:
    """How many covers were downloaded on a day, in a size, by a shape of address."""

    day: date
    size: str
    shape: str
    count: int


class DownloadStore(Protocol):
    """Downloads by account, day, size and shape.

    Safe for several threads and processes at once. Every method blocks, and raises StoreUnavailable if the
    store cannot be read or written.
    """

    def add_downloads(self, counts: Mapping[Download, int], mark: LogMark | None = None) -> None:
        """Add *counts*, and remember with them how far their log was read: both or neither."""
        ...

    def log_place(self, file: str) -> int:
        """Return how many bytes of a log were read; 0 for an unknown one."""
        ...

    def downloads(self, account: str | None, since: date) -> list[DownloadRow]:
        """Return an account's downloads (None: everybody's, summed up) from the day *since* on, by day."""
        ...


class DownloadCounter:
    """Counts the app's own answers in memory; writes them twice a second. No answer waits for it."""

    def __init__(self, store: DownloadStore, today: Callable[[], date], metrics: "Metrics") -> None:
        self._store = store
        self._today = today
        self._waiting: Counter[Download] = Counter()
        self._writing = asyncio.Lock()
        self._sent = metrics.downloads.labels("app")
        self._lost = metrics.downloads_lost

    def note(self, account: str, size: str, shape: str, times: int = 1) -> None:
        """Count answers with a cover."""
        download = Download(account, self._today(), size, shape)
        if download in self._waiting or len(self._waiting) < MOST_WAITING:
            self._waiting[download] += times
        else:
            self._lost.inc(times)

    async def write(self) -> None:
        """Write what accumulated. Raises Unavailable; the counts are then kept for the next time."""
        async with self._writing:
            if not self._waiting:
                return
            counts, self._waiting = self._waiting, Counter()
            try:
                await asyncio.to_thread(self._store.add_downloads, counts)
            except Unavailable:
                counts.update(self._waiting)
                self._waiting = counts
                raise
            self._sent.inc(counts.total())

    async def written(self, within: float = 0.5) -> None:
        """Do the same, but wait no longer than *within* seconds: a read never waits for a writer.

        Raises Unavailable. The write goes on behind.
        """
        writing = asyncio.create_task(self.write())
        writing.add_done_callback(
            lambda task: task.cancelled() or task.exception()
        )  # read even if nothing waits
        done, _ = await asyncio.wait({writing}, timeout=within)
        if done:
            await writing

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Write twice a second, and the rest at the end."""
        async with written_every(_EVERY_SECONDS, self.write, _log, "downloads cannot be written"):
            yield


def by_day(rows: Sequence[DownloadRow]) -> dict[date, int]:
    """Sum up rows by day."""
    days: Counter[date] = Counter()
    for row in rows:
        days[row.day] += row.count
    return dict(days)


def by_name(rows: Sequence[DownloadRow], field: str) -> dict[str, int]:
    """Sum up rows by their `size` or `shape`, most first."""
    names: Counter[str] = Counter()
    for row in rows:
        names[getattr(row, field)] += row.count
    return dict(names.most_common())
