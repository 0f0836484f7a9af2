"""Files and links that appear under their name complete or not at all."""

import os
import re
import secrets
import time
from pathlib import Path

from coverproxy.storage import ownership

_PROCESS = re.compile("[0-9]{1,9}")

_TRIES = 3
"""An empty folder that we made may be removed before we fill it: rarely once, never often."""


def temporary(folder: Path) -> Path:
    """Return a unique file name in *folder*, with the process id, so that sweep() can tell if it is stale."""
    return folder / f"{os.getpid()}-{secrets.token_hex(8)}"


def write(path: Path, body: bytes, *, mtime: int | None = None, sync: bool = False) -> None:
    """Write a new file at *path*, readable by all (nginx runs as another user). Not atomic by itself.

    With *mtime*, the atime is still set to now: a file just written has just been used.
    """
    handle = ownership.opened(path, os.O_WRONLY | os.O_EXCL)
    try:
        view = memoryview(body)
        while view:
            view = view[os.write(handle, view) :]
        if mtime is not None:
            os.utime(handle, (time.time(), mtime))
        if sync:
            os.fsync(handle)
    finally:
        os.close(handle)


def move(source: Path, target: Path, *, sync: bool = False) -> int:
    """Rename a written file to *target*; never copies, so never half a file. Return the folders made."""
    made = 0
    for _ in range(_TRIES):
        try:
            source.replace(target)
            break
        except FileNotFoundError:
            made += ownership.make_folder(target.parent)
    else:
        source.replace(target)
    if sync:
        sync_folder(target.parent)
    return made


def second_name(path: Path, name: Path, folder: Path) -> int:
    """Hard-link the file at *path* to *name*, via *folder*; return how many folders that made.

    Raises PermissionError (EPERM) if the file system has no hard links.
    """
    beside = temporary(folder)
    os.link(path, beside)
    try:
        return move(beside, name)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """fsync a folder's entries."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link(target: str, path: Path) -> None:
    """Point the symlink *path* at *target*, replacing an old one atomically."""
    if path.is_symlink() and path.readlink() == Path(target):
        return
    beside = temporary(path.parent)
    beside.symlink_to(target)
    ownership.hand_over_link(beside)
    beside.replace(path)


def sweep(folder: Path) -> int:
    """Remove the temporary files of dead processes in a folder; return how many."""
    swept = 0
    for path in folder.iterdir():
        owner = maker(path)
        if owner is None or not lives(owner):
            path.unlink(missing_ok=True)
            swept += 1
    return swept


def maker(path: Path) -> int | None:
    """Return the id of the process that named a temporary file; None if none of ours can have."""
    owner = path.name.partition("-")[0]
    return int(owner) if _PROCESS.fullmatch(owner) else None


def lives(process: int) -> bool:
    """Tell whether a process lives, by its id."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(process)


def _is_zombie(process: int) -> bool:
    """Tell whether a process is dead but not waited for: the first process of many containers never waits."""
    try:
        stat = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b") ")[2][:1] in (b"Z", b"X")
