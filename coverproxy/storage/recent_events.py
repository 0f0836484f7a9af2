"""Recently logged events, shared by a process and its forks."""

import fcntl
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

_SLOT = struct.Struct("=Qdq")
"""Digest of the event, when it was logged, and how often it occurred since."""

_SLOTS = 1024
"""Events remembered at once, about."""

_WAYS = 16
"""Slots in which an event may stand; if others fill them all, it takes the place of the oldest.

In one slot alone, two faults that last would drive each other out, and be logged every time.
"""


class RecentEvents:
    """Fixed-size memory shared by forked processes. Safe across processes and threads."""

    def __init__(self) -> None:
        size = _SLOT.size * _SLOTS
        self._handle = -1
        if hasattr(os, "memfd_create"):  # Linux; elsewhere two processes may log the same event
            self._handle = os.memfd_create("coverproxy-events", os.MFD_CLOEXEC)
            os.truncate(self._handle, size)
        self._memory = mmap.mmap(self._handle, size)
        self._turn = threading.Lock()

    def repeats(self, what: str, now: float, seconds: float) -> int | None:
        """Return None if *what* was logged in the last *seconds*, else how often it occurred since.

        In the second case it counts as logged *now*.
        """
        digest = int.from_bytes(blake2b(what.encode(errors="replace"), digest_size=8).digest())
        with self._alone():
            at = self._slot(digest)
            known, since, met = _SLOT.unpack_from(self._memory, at)
            is_known = known == digest
            if is_known and 0 <= now - since < seconds:
                _SLOT.pack_into(self._memory, at, digest, since, met + 1)
                return None
            _SLOT.pack_into(self._memory, at, digest, now, 0)
            return met if is_known else 0

    def _slot(self, digest: int) -> int:
        """Return where an event stands, or the place that it may take."""
        first = digest % _SLOTS
        places = [(first + step) % _SLOTS * _SLOT.size for step in range(_WAYS)]
        found = [_SLOT.unpack_from(self._memory, at) for at in places]
        own = (at for at, (known, _, _) in zip(places, found, strict=True) if known == digest)
        oldest = min(range(_WAYS), key=lambda way: found[way][1])
        return next(own, places[oldest])

    def clear(self) -> None:
        """Forget all events."""
        with self._alone():
            self._memory[:] = bytes(len(self._memory))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Exclude threads by a lock, and processes by a record lock, which the kernel frees on death."""
        with self._turn:
            if self._handle >= 0:
                fcntl.lockf(self._handle, fcntl.LOCK_EX)
            try:
                yield
            finally:
                if self._handle >= 0:
                    fcntl.lockf(self._handle, fcntl.LOCK_UN)
