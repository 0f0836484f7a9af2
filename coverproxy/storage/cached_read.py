"""A file read only if that needs no disk: for the event loop, which must never wait for one."""

import ctypes
import errno
import functools
import os
from pathlib import Path
from typing import NamedTuple

_OPENAT2 = 437
_AT_FDCWD = -100
_RESOLVE_CACHED = 0x20
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

MOST_BYTES = 1_048_576
"""What is longer is left to a thread: even copying it would hold the event loop up."""


_WITHOUT_DISK = frozenset({"tmpfs", "ramfs"})


class _How(ctypes.Structure):
    """`struct open_how` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class CachedFile(NamedTuple):
    """A file's bytes, its mtime in whole seconds, and one extended attribute (b"": not there)."""

    body: bytes
    mtime: int
    attribute: bytes


_how = _How(_FLAGS, 0, _RESOLVE_CACHED)
_how_at, _how_length = ctypes.byref(_how), ctypes.sizeof(_how)
# PyDLL keeps the interpreter's lock: the call never waits, and a switch of threads costs more than it.
_libc = ctypes.PyDLL(None, use_errno=True)


def read(path: str, attribute: str) -> CachedFile | None:
    """Read a file whose path and bytes are in memory already; None if there is no such file.

    The path is resolved with RESOLVE_CACHED (Linux 5.12), the bytes are read with RWF_NOWAIT, or plainly
    where the file system has no disk. Raises BlockingIOError if that needs the disk, or cannot be told here
    (overlayfs, many network file systems): then a thread has to read it.
    """
    handle = _opened(path)
    if handle is None:
        return None
    try:
        status = os.fstat(handle)
        length = status.st_size
        if length > MOST_BYTES:
            raise BlockingIOError(errno.EAGAIN, "it is too long")
        buffer = bytearray(length)
        if length and os.preadv(handle, [buffer], 0, _how_to_read(status.st_dev)) != length:
            raise BlockingIOError(errno.EAGAIN, "not all of it is cached")
        return CachedFile(bytes(buffer), int(status.st_mtime), _attribute(handle, attribute))
    except BlockingIOError:
        raise
    except OSError as exc:
        raise BlockingIOError(exc.errno, exc.strerror) from None
    finally:
        os.close(handle)


def _opened(path: str) -> int | None:
    handle = int(_libc.syscall(_OPENAT2, _AT_FDCWD, os.fsencode(path), _how_at, _how_length))
    if handle >= 0:
        return handle
    number = ctypes.get_errno()
    if number in (errno.ENOENT, errno.ENOTDIR):
        return None
    raise BlockingIOError(number, os.strerror(number))


@functools.lru_cache(maxsize=64)
def _how_to_read(device: int) -> int:
    """Return the flags of a read that waits for no disk. tmpfs has none, and does not know RWF_NOWAIT."""
    name = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return os.RWF_NOWAIT
    kinds = {each.partition(" - ")[2].split(" ", 1)[0] for each in mounts if each.split()[2] == name}
    return 0 if kinds and kinds <= _WITHOUT_DISK else os.RWF_NOWAIT


def _attribute(handle: int, name: str) -> bytes:
    try:
        return os.getxattr(handle, name)
    except OSError:
        return b""
