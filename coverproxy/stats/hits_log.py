"""The web server's log of the covers it sent, followed by one process of a machine and counted.

A file, not a socket: nginx drops what a full socket does not take, and all of it while nobody reads; a file
keeps each line until it is counted, also while the app is away. Counts and place are written together, so
that a killed app counts no line twice.
"""

import asyncio
import logging
import os
import platform
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from pathlib import Path

from coverproxy import log
from coverproxy.concurrency.background import beside
from coverproxy.concurrency.file_locks import ProcessLock
from coverproxy.domain.errors import Unavailable
from coverproxy.stats.downloads import Download, DownloadStore, LogMark
from coverproxy.stats.metrics import Metrics
from coverproxy.storage import ownership
from coverproxy.storage.punch import free_beginning

EVERY_SECONDS = 0.4
"""With the second that nginx collects lines, a hit shows within two."""

CHUNK_BYTES = 4 * 2**20
FREED_BYTES = 16 * 2**20
"""Disk that lines take after they were counted, at most."""

MAX_LINE_BYTES = 4096

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """A download as nginx notes it: when, the key's name, the size's name or alias, and the shape."""

    at: str
    key: str
    size: str
    shape: str


def read_line(text: bytes) -> Line | None:
    """Read a line; None if it is not one of ours."""
    parts = text.decode("ascii", "replace").split(" ")
    return Line(*parts) if len(parts) == 4 and all(parts) else None


def day_of(at: str, zone: tzinfo) -> date | None:
    """Return the day of a time (ISO 8601 with its offset) in a time zone; None if it is not a time."""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return moment.astimezone(zone).date() if moment.tzinfo else None


def whole_lines(chunk: bytes) -> tuple[Counter[bytes], int]:
    """Return how often each line is in a chunk, and the bytes of its whole lines.

    A line that is too long is given up with the chunk: nothing that nginx writes for us is.
    """
    length = chunk.rfind(b"\n") + 1
    if not length and len(chunk) > MAX_LINE_BYTES:
        return Counter({chunk[:MAX_LINE_BYTES]: 1}), len(chunk)
    return Counter(chunk[:length].split(b"\n")[:-1]), length


class HitsLog:
    """The log's reader. `account_of`, `size_of`: from a key's name, and a size's name or alias; else None."""

    def __init__(
        self,
        path: Path,
        lock: Path,
        store: DownloadStore,
        metrics: Metrics,
        zone: tzinfo,
        account_of: Callable[[str], str | None],
        size_of: Callable[[str], str | None],
    ) -> None:
        self._path, self._lock = path, ProcessLock(lock)
        self._store, self._metrics, self._zone = store, metrics, zone
        self._account_of, self._size_of = account_of, size_of
        self._handle = -1
        self._name = ""
        self._place = self._freed = 0

    def read(self) -> int:
        """Count the new lines; return how many bytes they took. Blocks. Raises Unavailable, OSError."""
        if not self._lock.is_ours() or not self._is_open():
            return 0
        lines, length = whole_lines(os.pread(self._handle, CHUNK_BYTES, self._place))
        if not length:
            self._follow_rename()
            return 0
        counts = self._counted(lines)
        mark = LogMark(self._name, self._place + length, int(time.time()))
        self._store.add_downloads(counts, mark)
        self._place = mark.place
        self._metrics.downloads.labels("nginx").inc(counts.total())
        self._metrics.downloads_lost.inc(lines.total() - counts.total())
        self._free()
        return length

    def _counted(self, lines: Counter[bytes]) -> Counter[Download]:
        counts: Counter[Download] = Counter()
        for text, times in lines.items():
            if (line := read_line(text)) and (download := self._download(line)):
                counts[download] += times
        return counts

    def _download(self, line: Line) -> Download | None:
        day, account, size = day_of(line.at, self._zone), self._account_of(line.key), self._size_of(line.size)
        return Download(account, day, size, line.shape) if day and account and size else None

    def _is_open(self) -> bool:
        if self._handle < 0:
            self._handle = self._opened()
            about = os.fstat(self._handle)
            self._name = f"{platform.node()}:{about.st_dev}:{about.st_ino}"
            self._place = self._freed = self._store.log_place(self._name)
        if os.fstat(self._handle).st_size < self._place:  # truncated, or another file with its number
            self._place = self._freed = 0
        return True

    def _opened(self) -> int:
        """Open the log, or create it, so that its disk can be freed; one of nginx's making is only read."""
        try:
            return ownership.opened(self._path, os.O_RDWR)
        except PermissionError:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def _follow_rename(self) -> None:
        """Go on with the file that now has the log's name, once the one that had it is read."""
        with suppress(FileNotFoundError):
            named, ours = self._path.stat(), os.fstat(self._handle)
            if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino):
                return
        self._close()

    def _free(self) -> None:
        if self._place - self._freed >= FREED_BYTES:
            self._freed = self._place
            try:
                free_beginning(self._handle, self._place)
            except OSError as exc:
                log.fault(_log, "the log of hits cannot be shortened; rotate it", exc)

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Count while the block runs. What is written afterwards is counted at the next start."""
        try:
            async with beside(self._follow()):
                yield
        finally:
            self._close()
            self._lock.close()

    async def _follow(self) -> None:
        while True:
            length = 0
            try:
                # shielded: a thread that still reads must not meet files that were closed
                length = await asyncio.shield(asyncio.to_thread(self.read))
            except (Unavailable, OSError) as exc:
                log.fault(_log, "the web server's hits cannot be counted", exc)
            if length < CHUNK_BYTES // 2:
                await asyncio.sleep(EVERY_SECONDS)
