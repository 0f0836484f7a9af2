"""A file read whole, as far as it is a file and not too long."""

import os
import stat
from pathlib import Path


def read(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """Read a regular file, at most *most* bytes of it, and its stat. Blocks. Raises OSError.

    A pipe or a device under a picture's name is refused at once: opening one could wait for ever.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        return file.read(most), status
