"""Locks between the processes of a machine, one per name, over a fixed number of files."""

import asyncio
import contextlib
import fcntl
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from coverproxy.storage import ownership

WAITERS = 64
"""Threads of each set of locks that may wait for another process."""


class FileLocks:
    """Kernel locks between processes: a hash of the name picks one of a fixed number of files (stripes).

    A stripe that cannot be opened (a full, read-only or vanished disk) is skipped: a cover made twice is
    better than none. The kernel frees the locks of a dead process. The files are never removed: unlinking a
    locked file would split its waiters over two inodes (filelock). Two names on one stripe only wait for each
    other.
    """

    def __init__(self, folder: Path, count: int = 1024) -> None:
        self._folder = folder
        self._count = count
        # As many threads as flights can wait; the render queue bounds those.
        self._waiters = ThreadPoolExecutor(WAITERS, thread_name_prefix="lock")

    def _open(self, name: str) -> int | None:
        stripe = f"{self._folder}/{zlib.crc32(name.encode()) % self._count:04d}"
        flags = os.O_RDWR
        try:
            return os.open(stripe, flags | os.O_CLOEXEC)
        except OSError:  # usually it is there
            return self._made(stripe, flags)

    def _made(self, stripe: str, flags: int) -> int | None:
        try:
            return ownership.opened(stripe, flags)
        except OSError:
            with contextlib.suppress(OSError):
                ownership.make_folder(self._folder)  # someone may have deleted the whole cache
                return ownership.opened(stripe, flags)
            return None

    def hold(self, name: str) -> "_HeldStripe":
        """Hold the lock of *name*; waits in a thread while another process holds it. Yields if it had to."""
        return _HeldStripe(self, name)

    async def take(self, name: str) -> tuple[int | None, bool]:
        """Take a lock; return its handle, and whether another held it. See hold()."""
        handle = self._open(name)
        if handle is None:
            return None, False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await self._wait(handle)
            return handle, True
        return handle, False

    async def _wait(self, handle: int) -> None:
        waiting = self._waiters.submit(fcntl.flock, handle, fcntl.LOCK_EX)
        try:
            await asyncio.wrap_future(waiting)
        except asyncio.CancelledError:
            # MUST close only once the thread is done with the handle: else flock may get another file's
            # number.
            if not waiting.cancel():
                waiting.add_done_callback(lambda _: os.close(handle))
            else:
                os.close(handle)
            raise

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold the lock of *name*, for blocking code."""
        handle = self._open(name)
        try:
            if handle is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            _close(handle)

    def close(self) -> None:
        """Stop the waiting threads."""
        self._waiters.shutdown(wait=False, cancel_futures=True)


class _HeldStripe:
    """A lock while it is held. A class, as an async generator costs each cover several times as much."""

    __slots__ = ("_handle", "_locks", "_name")

    def __init__(self, locks: FileLocks, name: str) -> None:
        self._locks = locks
        self._name = name
        self._handle: int | None = None

    async def __aenter__(self) -> bool:
        self._handle, has_waited = await self._locks.take(self._name)
        return has_waited

    async def __aexit__(self, *exc: object) -> None:
        _close(self._handle)


def _close(handle: int | None) -> None:
    """Free a lock by closing its only descriptor."""
    if handle is not None:
        os.close(handle)


class ProcessLock:
    """A lock that one process of a machine holds until it closes it, or dies. Not for several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def is_ours(self) -> bool:
        """Return whether this process has the lock; takes it if nobody has. Raises OSError."""
        if self._handle < 0:
            handle = ownership.opened(self._path, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
            self._handle = handle
        return True

    def close(self) -> None:
        """Leave the lock to another process."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
