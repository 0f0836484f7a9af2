"""What is looked at before any worker starts: a fault of the data folder is one line, not one per worker."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from coverproxy.domain.errors import Unavailable
from coverproxy.service.databases import CATALOGUE, STATE
from coverproxy.storage import ownership
from coverproxy.storage.ownership import described, user_name


def unwritable(data: Path) -> list[str]:
    """Make the data folder where it is missing; return which databases cannot be written, and the way out.

    Where the folder itself cannot be written, no database can: raises Unavailable. A full disk is no
    hindrance yet: covers that were made are served from it.
    """
    try:
        ownership.make_folder(data)
    except FileExistsError:
        raise Unavailable(f"{data} is a file, not a folder: name another with --data or data.dir") from None
    except OSError as exc:
        raise Unavailable(f"the data folder cannot be made: {described(exc)}") from None
    if not _is_writable(data):
        raise Unavailable(_told(data, data))
    return [_told(path, data) for path in _files(data) if path.exists() and not _is_writable(path)]


def _files(data: Path) -> Iterator[Path]:
    return (data / f"{name}{ending}" for name in (CATALOGUE, STATE) for ending in ("", "-wal", "-shm"))


def _is_writable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK, effective_ids=True)


def _told(path: Path, data: Path) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"{path} cannot be written: it lies on a read-only file system"
    user = user_name(os.geteuid())
    why = described(PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)))
    return f"cannot write {why}; give the folder to the user that serves: chown -R {user}: {data.absolute()}"
