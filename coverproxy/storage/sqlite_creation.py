"""Makes a new SQLite file, so that it has its tables from the moment that it is there."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from coverproxy.storage import ownership

COMPANIONS = ("-wal", "-shm", "-journal")


def is_emptied(path: Path) -> bool:
    """Return whether a file has no bytes. Ours always have some, so somebody or something took them away.

    Opening such a file would have SQLite delete the log beside it, which may hold all that is left.
    """
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


def create(path: Path, body: bytes) -> None:
    """Make a file with the bytes *body*, unless there is one. Raises OSError.

    What is left beside a deleted file goes: SQLite would add it to the new one. Only the owner may read it.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some network disks cannot lock folders; no other makes the file
            fcntl.flock(folder, fcntl.LOCK_EX)
        if not path.exists():
            for ending in COMPANIONS:
                path.with_name(path.name + ending).unlink(missing_ok=True)
            _write(beside := path.with_name(f".{path.name}.new"), body)
            beside.rename(path)
    finally:
        os.close(folder)


def _write(path: Path, body: bytes) -> None:
    path.unlink(missing_ok=True)  # of a process that was killed
    with os.fdopen(ownership.opened(path, os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
