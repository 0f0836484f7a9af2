"""Whole numbers that all processes of a machine add to: a small file, exact under a lock."""

import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coverproxy.storage import ownership


class SharedCounters:
    """A few signed numbers of 64 bits. A file that is missing or cut short counts as zeros.

    Blocks for microseconds. Read and written by calls and not through a memory map: a map of a file that
    somebody cuts kills the process (SIGBUS). MUST be used for the first time after a fork: an inherited
    descriptor shares its lock.
    """

    def __init__(self, path: Path, count: int = 1) -> None:
        self._path = path
        self._form = struct.Struct(f"<{count}q")
        self._handle = -1
        # A flock is the open file's: threads that share the descriptor need a lock of their own.
        self._threads = threading.Lock()

    def read(self) -> tuple[int, ...]:
        """Return the numbers. Raises OSError, as all methods do, where the file cannot be made."""
        with self._held() as handle:
            return self._read(handle)

    def glance(self) -> bytes:
        """Return the numbers as they are stored, to be compared with an earlier glance and nothing else.

        Takes no lock, and does not notice that the file was replaced: a microsecond, so the event loop may
        ask. Raises OSError.
        """
        if self._handle < 0:
            self.read()
        return os.pread(self._handle, self._form.size, 0)

    def add(self, *changes: int) -> tuple[int, ...]:
        """Add a change, which may be negative, to each number; return the sums. None goes below 0."""
        with self._held() as handle:
            sums = tuple(max(a + b, 0) for a, b in zip(self._read(handle), changes, strict=True))
            os.pwrite(handle, self._form.pack(*sums), 0)
            return sums

    def set(self, *numbers: int) -> None:
        """Write other numbers."""
        with self._held() as handle:
            os.pwrite(handle, self._form.pack(*numbers), 0)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._threads:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1

    @contextmanager
    def _held(self) -> Iterator[int]:
        with self._threads:
            self._open()
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            try:
                if os.fstat(self._handle).st_size < self._form.size:
                    # now, so that whoever adds up the disk's use sees the file's block
                    os.pwrite(self._handle, bytes(self._form.size), 0)
                yield self._handle
            finally:
                fcntl.flock(self._handle, fcntl.LOCK_UN)

    def _open(self) -> None:
        """Open the file, anew where its name was removed: others then count in another one."""
        if self._handle >= 0 and os.fstat(self._handle).st_nlink == 0:
            os.close(self._handle)
            self._handle = -1
        if self._handle < 0:
            self._handle = ownership.opened(self._path, os.O_RDWR)

    def _read(self, handle: int) -> tuple[int, ...]:
        return self._form.unpack(os.pread(handle, self._form.size, 0))
