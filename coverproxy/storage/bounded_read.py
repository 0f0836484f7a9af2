"""Reads a regular file whole, up to a limit."""

import os
import stat
from pathlib import Path


def read(path: Path | str, most: int) -> tuple[bytes, os.stat_result]:
    """Read a regular file, at most *most* bytes, and its stat. Blocks. Raises OSError.

    A pipe or a device under a picture's name is refused at once, because opening one could block forever.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as exc:  # a NUL in its name
        raise OSError(str(exc)) from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        # One byte more than its size, to notice a growing file. A buffer of *most* costs more than reading.
        return os.read(handle, min(most, status.st_size + 1)), status
    finally:
        os.close(handle)
