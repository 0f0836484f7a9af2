"""Files and links that appear under their name whole or not at all."""

import os
import re
import secrets
import time
from pathlib import Path

from coverproxy.storage import ownership

_PROCESS = re.compile("[0-9]{1,9}")

_TRIES = 3
"""A folder that we made may be removed, as it is empty, before we fill it: rarely once, never often."""


def temporary(folder: Path) -> Path:
    """Name a file in *folder* that nobody else writes; the process id lets a sweep see whose it was."""
    return folder / f"{os.getpid()}-{secrets.token_hex(8)}"


def write(path: Path, body: bytes, *, mtime: int | None = None, sync: bool = False) -> None:
    """Write a new file at *path*, readable by all (nginx runs as another user). Not atomic by itself.

    Where an *mtime* is given, the atime is now all the same: a file just written has just been used.
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
    """Give a written file its name; never a copy, so never half a file. Return how many folders it took."""
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
    """Give the file at *path* another *name*, by way of *folder*; return how many folders that took.

    Raises PermissionError (EPERM) where the file system has no hard links.
    """
    beside = temporary(folder)
    os.link(path, beside)
    try:
        return move(beside, name)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link(target: str, path: Path) -> None:
    """Point the symlink *path* to *target*, swapping an old one without a moment in which there is none."""
    if path.is_symlink() and path.readlink() == Path(target):
        return
    beside = temporary(path.parent)
    beside.symlink_to(target)
    ownership.hand_over_link(beside)
    beside.replace(path)


def sweep(folder: Path) -> int:
    """Remove what processes that no longer live left in a folder of temporary files; return how many."""
    swept = 0
    for path in folder.iterdir():
        owner = path.name.partition("-")[0]
        if not (_PROCESS.fullmatch(owner) and _lives(int(owner))):
            path.unlink(missing_ok=True)
            swept += 1
    return swept


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
