"""Counters shared by all processes of a machine: a small file, exact under a lock."""

import fcntl
import os
import struct
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from coverproxy.storage import ownership


class SharedCounters:
    """A few signed 64-bit numbers. A missing or truncated file counts as zeros, or as what *first* returns.

    *first* is called under the lock, so by one process: it MUST NOT use these counters.

    Blocks for microseconds. Uses reads and writes instead of a memory map: truncating a mapped file kills the
    process (SIGBUS). MUST be first used after a fork: an inherited descriptor shares its lock.
    """

    def __init__(
        self, path: Path, count: int = 1, first: Callable[[], tuple[int, ...]] | None = None
    ) -> None:
        self._path = path
        self._count = count
        self._form = struct.Struct(f"<{count}q")
        self._first = first or (lambda: (0,) * count)
        self._handle = -1
        # A flock belongs to the open file, so threads that share the descriptor need a lock of their own.
        self._threads = threading.Lock()

    def read(self) -> tuple[int, ...]:
        """Return the numbers. Raises OSError, as all methods do, if the file cannot be created."""
        return self._changed(lambda numbers: numbers)

    def glance(self) -> bytes:
        """Return the stored bytes, only for comparison with an earlier call.

        Takes no lock, and does not notice if the file was replaced. It takes a microsecond, so the event loop
        may call it. Raises OSError.
        """
        if self._handle < 0:
            self.read()
        return os.pread(self._handle, self._form.size, 0)

    def add(self, *changes: int) -> tuple[int, ...]:
        """Add a change, which may be negative, to each number; return the sums, at least 0 each."""
        if len(changes) != self._count:
            raise ValueError(f"{len(changes)} changes of {self._count} numbers")
        return self._changed(partial(_sums, changes))

    def set(self, *numbers: int) -> None:
        """Replace the numbers."""
        self._changed(lambda _: numbers)

    def close(self) -> None:
        """Close the file; the next use reopens it."""
        with self._threads:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1

    def _changed(self, change: Callable[[tuple[int, ...]], Sequence[int]]) -> tuple[int, ...]:
        """Replace the numbers by what *change* makes of them, under the lock, and return those.

        Without context managers: a new cover counts its bytes twice.
        """
        with self._threads:
            handle = self._open()
            fcntl.flock(handle, fcntl.LOCK_EX)
            try:
                before = self._read(handle)
                numbers = tuple(change(before))
                if numbers != before:
                    os.pwrite(handle, self._form.pack(*numbers), 0)
                return numbers
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)

    def _open(self) -> int:
        """Return the open file; reopen it if its name was removed, since others now count in a new one."""
        if self._handle >= 0 and os.fstat(self._handle).st_nlink == 0:
            os.close(self._handle)
            self._handle = -1
        if self._handle < 0:
            self._handle = ownership.opened(self._path, os.O_RDWR)
        return self._handle

    def _read(self, handle: int) -> tuple[int, ...]:
        stored = os.pread(handle, self._form.size, 0)
        if len(stored) < self._form.size:  # written now, so that disk usage includes the file's block
            stored = self._form.pack(*self._first())
            os.pwrite(handle, stored, 0)
        return self._form.unpack(stored)


def _sums(changes: Sequence[int], numbers: Sequence[int]) -> list[int]:
    return [total if (total := number + change) > 0 else 0 for number, change in zip(numbers, changes)]  # noqa: B905 - add() has compared
