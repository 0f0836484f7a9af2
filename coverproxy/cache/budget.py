"""How much room derivatives take, all processes of a machine together, and how much they may."""

import errno
import os
import sys
import threading
import time
from dataclasses import dataclass

from coverproxy.cache.layout import Layout
from coverproxy.config import Cache
from coverproxy.storage.shared_counters import SharedCounters

TELL_EVERY_SECONDS = 60.0

_START, _STOP = 0.97, 0.95
"""Eviction starts and stops at these parts of the cap: it is at work before a cover finds no room."""

_FREE_START, _FREE_STOP = 1.05, 1.10
"""The same, as parts of the space that must stay free."""

_INODES_START, _INODES_STOP = 1.5, 2.0
"""The same, as parts of the inodes that must stay free: they are few, and each walk is to free many."""


class CacheFull(OSError):
    """There is no room for a derivative now. `is_news`: nobody was told in the last minute."""

    def __init__(self, why: str, is_news: bool) -> None:
        super().__init__(errno.ENOSPC, why)
        self.is_news = is_news


@dataclass(frozen=True)
class DiskBounds:
    """What a cache may take at most, and what it must leave free on its disk (0: nothing).

    *inodes*: how many are free; many where the file system makes them as needed.
    """

    max_bytes: int
    min_free_bytes: int
    min_free_inodes: int = 0

    @classmethod
    def of(cls, config: Cache) -> "DiskBounds":
        """Return the bounds that the config sets."""
        return cls(config.max_bytes, config.min_free_bytes, config.min_free_inodes)

    def why_full(self, held: int, free: int, inodes: int = sys.maxsize) -> str | None:
        """Say why nothing more may be stored, or None."""
        if held > self.max_bytes:
            return "its max_bytes are used up"
        if free < self.min_free_bytes:
            return "less than min_free_bytes are free on its disk"
        if inodes < self.min_free_inodes:
            return "less than min_free_inodes are free on its disk"
        return None

    def could_hold(self, size: int) -> bool:
        """Say whether so many bytes find room in a cache that eviction has emptied."""
        return size <= self.max_bytes * _STOP

    def is_tight(self, held: int, free: int, inodes: int = sys.maxsize) -> bool:
        """Say whether it is time to evict."""
        return (
            held >= self.max_bytes * _START
            or free < self.min_free_bytes * _FREE_START
            or inodes < self.min_free_inodes * _INODES_START
        )

    def short_of_inodes(self, inodes: int) -> int:
        """Return how many files are to go for the inodes that they take: none before it is tight."""
        if inodes >= self.min_free_inodes * _INODES_START:
            return 0
        return int(self.min_free_inodes * _INODES_STOP) - inodes

    def excess(self, held: int, free: int) -> int:
        """Return how many bytes are to go: none before it is tight, then down to where there is air again."""
        if not self.is_tight(held, free):
            return 0
        over = held - int(self.max_bytes * _STOP)
        short = int(self.min_free_bytes * _FREE_STOP) - free
        return min(max(over, short if self.min_free_bytes else 0, 0), held)


@dataclass(frozen=True, slots=True)
class Free:
    """What is free for us on a disk: bytes, and inodes (sys.maxsize where the file system counts none)."""

    bytes: int
    inodes: int


UNBOUNDED = DiskBounds(sys.maxsize, 0)


class DiskBudget:
    """The bytes that a cache holds, as all its processes count them, within its bounds. Blocks on the disk.

    An estimate: exact for what is stored and removed here; what others do to the files is set right by the
    next walk of the cache. Bytes are counted as pending before they are written and as held once they have
    their name, so a walk may count a file twice, but never not at all.
    """

    def __init__(self, layout: Layout, bounds: DiskBounds) -> None:
        self.bounds = bounds
        self.tight = threading.Event()
        """Set when a derivative finds little room: whoever evicts in this process waits for it."""
        self._folder = layout.top
        self._numbers = SharedCounters(layout.held, 2)
        self._wanted = 0
        self._told_at = -TELL_EVERY_SECONDS

    def held(self) -> int:
        """Return how many bytes the cache takes on disk, by all that is known."""
        return self._numbers.read()[0]

    def free(self) -> Free:
        """Return what is free for us on the cache's disk."""
        found = os.statvfs(self._folder)
        # Btrfs and the like make inodes as needed: they say that there are 0
        return Free(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else sys.maxsize)

    def is_tight(self) -> bool:
        """Say whether it is time to evict."""
        free = self.free()
        return self.bounds.is_tight(self.held() + self._wanted, free.bytes, free.inodes)

    def wanted(self) -> int:
        """Return the most bytes that were refused in this process since this was last asked.

        Eviction makes room for them: a small cache may be far from full and yet too full for one cover.
        """
        wanted, self._wanted = self._wanted, 0
        return wanted

    def take(self, size: int) -> None:
        """Take *size* bytes before they are written, so that the cap holds at every moment.

        Raises CacheFull: then none are taken. Else `settle` MUST follow.
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
        """Say how many of the bytes *taken* have been used: none, where storing failed."""
        self._numbers.add(used, -taken)

    def adjust(self, change: int) -> None:
        """Count bytes that came (or, negative, went) without being asked for."""
        if change:
            self._numbers.add(change, 0)

    def forget_pending(self) -> None:
        """Drop what processes had taken and died before they wrote it.

        What living ones have taken is dropped too, and comes back with its file, in a moment.
        """
        self._numbers.add(0, -sys.maxsize)

    def close(self) -> None:
        """Close the file that is counted in."""
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
    """Return what *size* bytes take in blocks of 4 KiB: a new file's own blocks may not be counted yet."""
    return -(-size // 4096) * 4096
