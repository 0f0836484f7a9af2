"""Freeing the disk that the beginning of a file takes, while others go on writing at its end."""

import ctypes
import os

_KEEP_SIZE, _PUNCH_HOLE = 0x01, 0x02
"""FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE of linux/falloc.h, which Python's os does not have."""

_libc = ctypes.CDLL(None, use_errno=True)


def free_beginning(handle: int, length: int) -> None:
    """Give the first *length* bytes of an open file back to the disk; they read as zeros then. Blocks.

    Later bytes do not move, and bytes appended meanwhile are kept, which truncating cannot promise.
    Raises OSError where the file system cannot do it, or the file may only be read.
    """
    place = (ctypes.c_int64(0), ctypes.c_int64(length))
    if _libc.fallocate(handle, _KEEP_SIZE | _PUNCH_HOLE, *place):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
