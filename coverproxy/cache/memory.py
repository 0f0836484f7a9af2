"""Derivatives that are asked for often, in this process's memory: a hit then needs no disk and no thread."""

import time
from collections import OrderedDict
from collections.abc import Callable

from coverproxy.domain.derivative import Derivative
from coverproxy.storage.shared_counters import SharedCounters

_LOOK_SECONDS = 1.0
"""How often it is looked whether the counter's file is still the one of that name."""

_OVERHEAD_BYTES = 1024
"""What a derivative takes beside its bytes, roughly: so that a million tiny ones are bounded too."""


class MemoryEntry:
    """A derivative in memory, until it gives way: then it is None here, whoever still knows of it.

    `head`: what whoever answers with it has prepared for that.
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
    """The least recently used give way. Not safe between threads: it belongs to the event loop.

    What any process purges is never answered from here again: each purge raises *purges*, a number that all
    processes share, and whatever was found on disk before is void. Eviction from disk does not: the bytes
    stay right. After *seconds* a derivative is looked for on disk again, which also shows eviction there that
    it is in use.
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
        """Return what differs once anything is purged; ask before a derivative is looked for on disk."""
        try:
            if self._now() >= self._look_at:
                self._look_at = self._now() + _LOOK_SECONDS
                self._purges.read()
            self._mark = self._purges.glance()
        except OSError:  # the disk is gone: nobody can have purged anything there
            pass
        return self._mark

    def get(self, name: str) -> MemoryEntry | None:
        """Return the derivative of a spec's spelling if it is held and nothing was purged since."""
        held = self._held.get(name)
        if held is None or not self.is_good(held):
            return None
        self.touch(held)
        return held

    def touch(self, held: MemoryEntry) -> None:
        """Note that it was used just now."""
        self._held.move_to_end(held.name)

    def is_good(self, held: MemoryEntry) -> bool:
        """Say whether it may still be answered with."""
        return held.derivative is not None and held.mark == self.mark() and self._now() < held.until

    def put(self, name: str, derivative: Derivative, mark: bytes) -> MemoryEntry | None:
        """Hold a derivative found on disk after mark() gave *mark*; None where it is too large."""
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
