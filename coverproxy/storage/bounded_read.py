"""A file read whole, as far as it is a file and not too long."""

import os
import stat
from pathlib import Path


def read(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """Read a regular file, at most *most* bytes of it, and its stat. Blocks. Raises OSError.

    A pipe or a device under a picture's name is refused at once: opening one could wait for ever.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as exc:  # a zero byte in its name
        raise OSError(str(exc)) from None
    with open(handle, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        # One byte more than there is, to see a file that grows. A buffer of *most* costs more than reading.
        return file.read(min(most, status.st_size + 1)), status
