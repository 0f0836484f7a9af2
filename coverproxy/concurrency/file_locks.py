"""Locks between the processes of a machine, one per name, on the bytes of one file."""

import asyncio
import contextlib
import fcntl
import os
import re
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from coverproxy.storage import ownership

WAITERS = 64
"""Threads of each set of locks that may wait for another process."""


_NAME = "all"
_FLOCK = struct.Struct("@hhqqi")  # fcntl(2), struct flock: type, whence, start, length, pid

_EARLIER = re.compile(r"\d{4}")
"""The lock files of earlier versions: one for each stripe, each an inode at its first use."""


class FileLocks:
    """Kernel locks between processes: a hash of the name picks a byte of one file (a stripe).

    They belong to the open file (F_OFD_SETLK, fcntl(2)) and not to the process, so two threads exclude each
    other as two processes do. A file for each stripe would cost a new cover two inodes. A lock that cannot be
    had (a full, read-only or vanished disk) is skipped: a cover made twice is better than none. The kernel
    frees the locks of a dead process. The file is never removed: unlinking it while it is locked would split
    its waiters over two inodes (filelock). Two names on one stripe only wait for each other.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = f"{folder}/{_NAME}"
        # As many threads as flights can wait; the render queue bounds those.
        self._waiters = ThreadPoolExecutor(WAITERS, thread_name_prefix="lock")

    def remove_earlier(self) -> None:
        """Remove the lock files of earlier versions, of which nobody is left to use them."""
        with contextlib.suppress(OSError), os.scandir(self._folder) as found:
            for each in found:
                if _EARLIER.fullmatch(each.name):
                    Path(each.path).unlink()

    def _range(self, name: str) -> bytes:
        """Return the argument of fcntl(2) that locks a name."""
        return _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, zlib.crc32(name.encode()), 1, 0)

    def _open(self) -> int | None:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # usually it is there
            return self._made()

    def _made(self) -> int | None:
        try:
            return ownership.opened(self._path, os.O_RDWR)
        except OSError:
            with contextlib.suppress(OSError):
                ownership.make_folder(self._folder)  # someone may have deleted the whole cache
                return ownership.opened(self._path, os.O_RDWR)
            return None

    def hold(self, name: str) -> "_HeldStripe":
        """Hold the lock of *name*; waits in a thread while another process holds it. Yields if it had to."""
        return _HeldStripe(self, name)

    async def take(self, name: str) -> tuple[int | None, bool]:
        """Take a lock; return its handle, and whether another held it. See hold()."""
        handle = self._open()
        if handle is None:
            return None, False
        wanted = self._range(name)
        try:
            try:
                fcntl.fcntl(handle, fcntl.F_OFD_SETLK, wanted)
            except BlockingIOError:
                await self._wait(handle, wanted)
                return handle, True
        except OSError:  # a file system without such locks, or with too many
            os.close(handle)
            return None, False
        return handle, False

    def take_now(self, name: str) -> int | None:
        """Take a lock that nobody holds, and return its handle, for free(). Raises BlockingIOError."""
        handle = self._open()
        if handle is None:
            return None
        try:
            fcntl.fcntl(handle, fcntl.F_OFD_SETLK, self._range(name))
        except BlockingIOError:
            os.close(handle)
            raise
        except OSError:  # a file system without such locks, or with too many
            os.close(handle)
            return None
        return handle

    def free(self, handle: int | None) -> None:
        """Free what take_now() took."""
        _close(handle)

    async def _wait(self, handle: int, wanted: bytes) -> None:
        waiting = self._waiters.submit(fcntl.fcntl, handle, fcntl.F_OFD_SETLKW, wanted)
        try:
            await asyncio.wrap_future(waiting)
        except asyncio.CancelledError:
            # MUST close only once the thread is done with the handle: else fcntl may get another file's
            # number.
            if not waiting.cancel():
                waiting.add_done_callback(lambda _: os.close(handle))
            else:
                os.close(handle)
            raise

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold the lock of *name*, for blocking code."""
        handle = self._open()
        try:
            if handle is not None:
                with contextlib.suppress(OSError):  # a file system without such locks
                    fcntl.fcntl(handle, fcntl.F_OFD_SETLKW, self._range(name))
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
