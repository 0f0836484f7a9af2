"""Checks before any worker starts: a fault of the data folder is one line, not one per worker."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from coverproxy.domain.errors import Unavailable
from coverproxy.service.databases import CATALOGUE, STATE
from coverproxy.storage import ownership
from coverproxy.storage.ownership import described, user_name


def unwritable(data: Path) -> list[str]:
    """Create the data folder if missing; return which databases are not writable, and what to do.

    Raises Unavailable if the folder itself is not writable. A full disk does not count: existing covers can
    still be served from it.
    """
    try:
        ownership.make_folder(data)
    except FileExistsError:
        raise Unavailable(f"{data} is a file, not a folder: choose another with --data or data.dir") from None
    except OSError as exc:
        raise Unavailable(f"the data folder cannot be created: {described(exc)}") from None
    if not _is_writable(data):
        raise Unavailable(_describe(data, data))
    return [_describe(path, data) for path in _files(data) if path.exists() and not _is_writable(path)]


def _files(data: Path) -> Iterator[Path]:
    return (data / f"{name}{ending}" for name in (CATALOGUE, STATE) for ending in ("", "-wal", "-shm"))


def _is_writable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK, effective_ids=True)


def _describe(path: Path, data: Path) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"{path} cannot be written: its file system is read-only"
    user = user_name(os.geteuid())
    why = described(PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)))
    return f"cannot write {why}; make the user that serves its owner: chown -R {user}: {data.absolute()}"
