"""Files and links that appear under their name complete or not at all."""

import itertools
import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

from coverproxy.storage import ownership

_PROCESS = re.compile("[0-9]{1,9}")

_TRIES = 3
"""An empty folder that we made may be removed before we fill it: rarely once, never often."""

_MARK = secrets.token_hex(8)
_numbers = itertools.count()


def temporary(folder: Path) -> Path:
    """Return a unique file name in *folder*, with the process id, so that sweep() can tell if it is stale."""
    return Path(temporary_name(str(folder)))


def temporary_name(folder: str) -> str:
    """Do the same with paths as text, which take a tenth of the time."""
    return f"{folder}/{os.getpid()}-{_MARK}{next(_numbers):x}"


def write(
    path: Path | str, body: bytes, *, mtime: int | None = None, sync: bool = False,
    attribute: tuple[str, bytes] | None = None,
) -> os.stat_result:  # fmt: skip
    """Write a new file at *path*, readable by all (nginx runs as another user). Not atomic by itself.

    With *mtime*, the atime is still set to now: a file just written has just been used. *attribute*: an
    extended one, left out where the file system has none.
    """
    handle = ownership.opened(path, os.O_WRONLY | os.O_EXCL)
    try:
        view = memoryview(body)
        while view:
            view = view[os.write(handle, view) :]
        if mtime is not None:
            os.utime(handle, (time.time(), mtime))
        if attribute is not None:
            try:  # noqa: SIM105 - a suppress() would be three calls more
                os.setxattr(handle, *attribute)
            except OSError:
                pass
        if sync:
            os.fsync(handle)
        return os.fstat(handle)
    finally:
        os.close(handle)


def move(source: Path | str, target: Path | str, *, sync: bool = False) -> int:
    """Rename a written file to *target*; never copies, so never half a file. Return the folders made."""
    made = 0
    for _ in range(_TRIES):
        try:
            os.replace(source, target)  # noqa: PTH105 - the path may be text
            break
        except FileNotFoundError:
            made += ownership.make_folder(os.path.dirname(target))  # noqa: PTH120 - likewise
    else:
        os.replace(source, target)  # noqa: PTH105 - likewise
    if sync:
        sync_folder(Path(target).parent)
    return made


def second_name(path: Path | str, name: Path | str, folder: Path | str) -> int:
    """Hard-link the file at *path* to *name*; return how many folders that made.

    What has that name is replaced, via *folder*. Raises PermissionError (EPERM) if the file system has no
    hard links.
    """
    made = 0
    for _ in range(_TRIES):
        try:
            os.link(path, name)
        except FileNotFoundError:
            made += ownership.make_folder(os.path.dirname(name))  # noqa: PTH120 - text
        except FileExistsError:
            break
        else:
            return made
    return made + _renamed(path, name, folder)


def _renamed(path: Path | str, name: Path | str, folder: Path | str) -> int:
    """Give *path* a second name that another file may have; return how many folders that made."""
    beside = temporary_name(str(folder))
    os.link(path, beside)
    try:
        return move(beside, name)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(beside)  # noqa: PTH108 - text
        raise


def sync_folder(folder: Path) -> None:
    """fsync a folder's entries."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_all(folder: Path | str) -> None:
    """Have all reach the disk that was written to the folder's file system, and to no other. Raises OSError.

    By syncfs(2), which Python does not offer, and which tells of what could not be written. Where the C
    library has none, all disks of the machine are flushed, whoever has written to them.
    """
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not hasattr(library, "syncfs"):
            os.sync()
        elif library.syncfs(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
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


def is_being_made(path: Path) -> bool:
    """Return whether a file is a living process's temporary one."""
    owner = maker(path)
    return owner is not None and lives(owner)


def sweep(folder: Path) -> int:
    """Remove the temporary files of dead processes in a folder; return how many."""
    swept = 0
    for path in folder.iterdir():
        if not is_being_made(path):
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
