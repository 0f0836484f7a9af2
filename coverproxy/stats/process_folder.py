"""The folder for the metrics of a service's workers; removed with the service, even after a kill."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "coverproxy-metrics-"

_OWNER = "owner"
"""The file that the service holds a lock on while any of its processes lives: forks share the lock.

A process id would not do: another process may have it by now, and each container counts its own.
"""


@contextmanager
def metrics_folder(above: Path | None = None) -> Iterator[str]:
    """Make a folder below *above* (default: the system's temporary folder), and remove it at the end.

    Workers, which are forks of this process, also pass through the end: they remove nothing. Folders left by
    killed services are removed first. Raises OSError.
    """
    parent = above or Path(tempfile.gettempdir())
    sweep(parent)
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
    process, handle = os.getpid(), _own(Path(folder))
    try:
        yield folder
    finally:
        if os.getpid() == process:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def sweep(above: Path) -> list[Path]:
    """Remove, and return, the folders of this user that no process holds any more.

    A folder without the owner's file stays: it is being made, or belongs to another version.
    """
    return [folder for folder in above.glob(f"{PREFIX}*") if _is_left(folder) and _removed(folder)]


def _own(folder: Path) -> int:
    """Lock the owner's file before it gets its name, so that nobody ever sees it unlocked."""
    made = folder / "new"
    handle = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    made.rename(folder / _OWNER)
    return handle


def _is_left(folder: Path) -> bool:
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return False
        # Do not block on a link or a FIFO that somebody put there.
        handle = os.open(folder / _OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(handle)


def _removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
