"""The folder in which a service's workers keep their metrics; it goes with the service, killed or not."""

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

A process number would not do: another process may have it by now, and in a container each counts anew.
"""


@contextmanager
def metrics_folder(above: Path | None = None) -> Iterator[str]:
    """Make a folder below *above* (the machine's for temporary files), and remove it at the end.

    Workers, which are forks of this process, leave by the same door: they remove nothing. What services left
    that were killed is removed first. Raises OSError.
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

    One without the file of its owner stays: it is being made, or another version's.
    """
    return [folder for folder in above.glob(f"{PREFIX}*") if _is_left(folder) and _removed(folder)]


def _own(folder: Path) -> int:
    """Lock the owner's file, then give it its name: whoever sees it finds it locked."""
    made = folder / "new"
    handle = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    made.rename(folder / _OWNER)
    return handle


def _is_left(folder: Path) -> bool:
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return False
        # Neither a link nor a FIFO that somebody put there holds us up.
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
