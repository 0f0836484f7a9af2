"""The bytes that derivatives take, counted by all processes of a machine, and their limit."""

import errno
import os
import sys
import threading
import time
from dataclasses import dataclass

from coverproxy.cache.count import bytes_taken
from coverproxy.cache.layout import Layout
from coverproxy.config import Cache
from coverproxy.storage.shared_counters import SharedCounters

TELL_EVERY_SECONDS = 60.0

_COUNTER_BYTES = 4096
"""What the file of the count itself takes."""

_START, _STOP = 0.97, 0.95
"""Eviction starts and stops at these fractions of the cap, so it runs before a cover finds no space."""

_FREE_START, _FREE_STOP = 1.05, 1.10
"""The same, as multiples of the space that must stay free."""

_INODES_START, _INODES_STOP = 1.5, 2.0
"""The same, as multiples of the inodes that must stay free: they are few, and each walk should free many."""


class CacheFull(OSError):
    """There is no space for a derivative now. `is_news`: not reported in the last minute."""

    def __init__(self, why: str, is_news: bool) -> None:
        super().__init__(errno.ENOSPC, why)
        self.is_news = is_news


@dataclass(frozen=True)
class DiskBounds:
    """The most that a cache may take, and what it must leave free on its disk (0: nothing).

    *inodes*: how many are free; a huge number if the file system makes them on demand.
    """

    max_bytes: int
    min_free_bytes: int
    min_free_inodes: int = 0

    @classmethod
    def of(cls, config: Cache) -> "DiskBounds":
        """Return the bounds from the config."""
        return cls(config.max_bytes, config.min_free_bytes, config.min_free_inodes)

    def why_full(self, held: int, free: int, inodes: int = sys.maxsize) -> str | None:
        """Return why nothing more may be stored, or None."""
        if held > self.max_bytes:
            return "it has reached max_bytes"
        if free < self.min_free_bytes:
            return "less than min_free_bytes are free on its disk"
        if inodes < self.min_free_inodes:
            return "less than min_free_inodes are free on its disk"
        return None

    def could_hold(self, size: int) -> bool:
        """Return whether so many bytes fit into a cache that eviction has emptied."""
        return size <= self.max_bytes * _STOP

    def is_tight(self, held: int, free: int, inodes: int = sys.maxsize) -> bool:
        """Return whether eviction should start."""
        return (
            held >= self.max_bytes * _START
            or free < self.min_free_bytes * _FREE_START
            or inodes < self.min_free_inodes * _INODES_START
        )

    def short_of_inodes(self, inodes: int) -> int:
        """Return how many files must go to free inodes: 0 until it is tight."""
        if inodes >= self.min_free_inodes * _INODES_START:
            return 0
        return int(self.min_free_inodes * _INODES_STOP) - inodes

    def excess(self, held: int, free: int) -> int:
        """Return how many bytes must go: 0 until it is tight, then enough to reach the lower mark."""
        if not self.is_tight(held, free):
            return 0
        over = held - int(self.max_bytes * _STOP)
        short = int(self.min_free_bytes * _FREE_STOP) - free
        return min(max(over, short if self.min_free_bytes else 0, 0), held)


@dataclass(frozen=True, slots=True)
class Free:
    """Free space for us on a disk: bytes, and inodes (sys.maxsize if the file system does not count them)."""

    bytes: int
    inodes: int


UNBOUNDED = DiskBounds(sys.maxsize, 0)


class DiskBudget:
    """The bytes that a cache holds, counted across processes, and its bounds. Blocks on the disk.

    An estimate: exact for files stored and removed here; the next walk of the cache corrects for changes made
    by others. Bytes count as pending before they are written and as held once the file has its name, so a
    walk may count a file twice, but never miss one.
    """

    def __init__(self, layout: Layout, bounds: DiskBounds) -> None:
        self.bounds = bounds
        self.tight = threading.Event()
        """Set when a derivative finds little space; the evicting thread of this process waits for it."""
        self._folder = layout.top
        self._layout = layout
        self._numbers = SharedCounters(layout.held, 2, self._first)
        self._wanted = 0
        self._told_at = -TELL_EVERY_SECONDS

    def _first(self) -> tuple[int, int]:
        """Count anew where the count was lost: of a large cache at most, so that the cap holds all the same.

        A walk is due then. Until its end covers may be made and not stored.
        """
        self._layout.walked.unlink(missing_ok=True)
        return bytes_taken(self._layout.root, self.bounds.max_bytes) + _COUNTER_BYTES, 0

    def held(self) -> int:
        """Return the bytes that the cache takes on disk, as far as known."""
        return self._numbers.read()[0]

    def free(self) -> Free:
        """Return the free space for us on the cache's disk."""
        found = os.statvfs(self._folder)
        # Btrfs and others make inodes on demand and report 0
        return Free(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else sys.maxsize)

    def is_tight(self) -> bool:
        """Return whether eviction should start."""
        free = self.free()
        return self.bounds.is_tight(self.held() + self._wanted, free.bytes, free.inodes)

    def wanted(self) -> int:
        """Return the largest refused size in bytes in this process since the last call.

        Eviction makes room for it: a small cache may be far from full, and yet too full for one cover.
        """
        wanted, self._wanted = self._wanted, 0
        return wanted

    def take(self, size: int) -> None:
        """Reserve *size* bytes before they are written, so that the cap holds at every moment.

        Raises CacheFull, and then reserves nothing. Otherwise `settle` MUST follow.
        """
        free = self.free()
        held = sum(self._numbers.add(0, size))
        why = self.bounds.why_full(held, free.bytes, free.inodes)
        if why and self.bounds.could_hold(size):
            self._wanted = max(size, self._wanted)
        if self.bounds.is_tight(held, free.bytes, free.inodes):
            self.tight.set()
        if why:
            self.settle(size, 0)
            raise CacheFull(f"the cache is full: {why}", self._is_news())

    def settle(self, taken: int, used: int) -> None:
        """Commit a reservation: *used* of the *taken* bytes were written; 0 if storing failed."""
        self._numbers.add(used, -taken)

    def adjust(self, change: int) -> None:
        """Count bytes that appeared (or, negative, disappeared) without a reservation."""
        if change:
            self._numbers.add(change, 0)

    def forget_pending(self) -> None:
        """Drop the reservations of processes that died before writing.

        Those of living processes are dropped too, and counted again when their file is stored, in a moment.
        """
        self._numbers.add(0, -sys.maxsize)

    def close(self) -> None:
        """Close the counter file."""
        self._numbers.close()

    def _is_news(self) -> bool:
        now = time.monotonic()
        if now - self._told_at < TELL_EVERY_SECONDS:
            return False
        self._told_at = now
        return True


def allocated(stat: os.stat_result) -> int:
    """Return what a file or folder takes on disk, as `du` counts it."""
    return stat.st_blocks * 512


def to_blocks(size: int) -> int:
    """Round *size* bytes up to blocks of 4 KiB: a new file's own blocks may not be allocated yet."""
    return -(-size // 4096) * 4096
