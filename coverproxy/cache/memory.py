"""Hot derivatives in this process's memory: a hit then needs no disk and no thread."""

import time
from collections import OrderedDict
from collections.abc import Callable

from coverproxy.domain.derivative import Derivative
from coverproxy.storage.shared_counters import SharedCounters

_LOOK_SECONDS = 1.0
"""How often to check whether the counter file was replaced."""

_OVERHEAD_BYTES = 1024
"""Overhead of an entry, roughly, so that a million tiny ones are bounded too."""


class MemoryEntry:
    """A cache entry. `derivative` becomes None on eviction, so that other holders notice.

    `head`: response headers prepared by the web layer.
    """

    __slots__ = ("bytes", "derivative", "head", "mark", "name", "until")

    def __init__(self, name: str, derivative: Derivative, mark: bytes, until: float) -> None:
        self.name = name
        self.derivative: Derivative | None = derivative
        self.bytes = len(derivative.body) + _OVERHEAD_BYTES
        self.head = b""
        self.mark = mark
        self.until = until


class Memory:
    """An LRU cache. Not thread-safe: it belongs to the event loop.

    A derivative purged by any process is never served from here again: each purge raises *purges*, a number
    that all processes share, and everything found on disk before that is void. Eviction from disk does not
    invalidate: the bytes stay right. After *seconds* an entry is looked up on disk again, which also marks it
    as used there.
    """

    def __init__(
        self,
        most_bytes: int,
        seconds: float,
        purges: SharedCounters,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most_bytes
        self._seconds = seconds
        self._purges = purges
        self._now = now
        self._held: OrderedDict[str, MemoryEntry] = OrderedDict()
        self._look_at = 0.0
        self._mark = b""
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def mark(self) -> bytes:
        """Return a value that changes with every purge; read it before looking up a derivative on disk."""
        try:
            if self._now() >= self._look_at:
                self._look_at = self._now() + _LOOK_SECONDS
                self._purges.read()
            self._mark = self._purges.glance()
        except OSError:  # the disk is gone, so nothing can have been purged
            pass
        return self._mark

    def get(self, name: str) -> MemoryEntry | None:
        """Return the entry of a spec's spelling if it is held and nothing was purged since."""
        held = self._held.get(name)
        if held is None or not self.is_good(held):
            return None
        self.touch(held)
        return held

    def touch(self, held: MemoryEntry) -> None:
        """Mark it as just used."""
        self._held.move_to_end(held.name)

    def is_good(self, held: MemoryEntry) -> bool:
        """Return whether it may still be served."""
        return held.derivative is not None and held.mark == self.mark() and self._now() < held.until

    def put(self, name: str, derivative: Derivative, mark: bytes) -> MemoryEntry | None:
        """Store a derivative that was found on disk after mark() gave *mark*; None if it is too large."""
        if len(derivative.body) + _OVERHEAD_BYTES > self._most // 8:
            return None
        self._drop(self._held.pop(name, None))
        held = self._held[name] = MemoryEntry(name, derivative, mark, self._now() + self._seconds)
        self.bytes += held.bytes
        while self.bytes > self._most:
            self._drop(self._held.popitem(last=False)[1])
        return held

    def _drop(self, held: MemoryEntry | None) -> None:
        if held is not None:
            held.derivative = None
            self.bytes -= held.bytes
