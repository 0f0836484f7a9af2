"""Where a derivative is written before it gets its name: in folders that ext4 spreads over the disk.

ext4 looks for a new file's inode in its folder's group, and passes over each that was freed in the last five
minutes, one by one: after an eviction that took 0.5 ms a file in one folder, and a tenth of it in sixteen.
"""

import fcntl
import os
import struct
from contextlib import suppress
from itertools import count
from pathlib import Path

from coverproxy.storage import atomic, ownership

FOLDERS = 16

_GETFLAGS, _SETFLAGS = 0x80086601, 0x40086602  # ioctl_iflags(2)
_TOPDIR = 0x00020000
_FLAGS = struct.Struct("@l")


class FreshFiles:
    """Names for new files, below *spread* by turns; in *plain* where the file system needs none of it.

    *spread* lies beside *plain*, which earlier versions sweep: they know of no folders in it.
    """

    def __init__(self, plain: Path, spread: Path) -> None:
        self._plain = str(plain)
        self._spread = str(spread)
        self._turn = count()
        self._folders: list[str] = []

    def make(self) -> None:
        """Make the folders, where they are of use. Without them, as on a full disk, it is slower: no more."""
        with suppress(OSError):
            ownership.make_folder(self._spread)
            if _is_spread(self._spread):
                for folder in self._names():
                    ownership.make_folder(folder)
            else:
                os.rmdir(self._spread)  # noqa: PTH106 - text
        self._find()

    def name(self) -> str:
        """Return a unique name for a new file."""
        folders = self._folders or self._find()
        return atomic.temporary_name(folders[next(self._turn) % len(folders)])

    def sweep(self) -> int:
        """Remove the files of dead writers; return how many."""
        return sum(atomic.sweep(Path(folder)) for folder in {self._plain, *self._find()})

    def _find(self) -> list[str]:
        is_there = all(map(os.path.isdir, self._names()))
        self._folders = self._names() if is_there else [self._plain]
        return self._folders

    def _names(self) -> list[str]:
        return [f"{self._spread}/{number:x}" for number in range(FOLDERS)]


def _is_spread(folder: str) -> bool:
    """Have ext4 give each folder that is made in this one a group of its own, as `chattr +T` does.

    Return whether it will: other file systems have no such flag.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        (flags,) = _FLAGS.unpack(fcntl.ioctl(handle, _GETFLAGS, bytes(_FLAGS.size)))
        if not flags & _TOPDIR:
            fcntl.ioctl(handle, _SETFLAGS, _FLAGS.pack(flags | _TOPDIR))
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(handle)
