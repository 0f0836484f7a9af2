"""What root makes in a data folder belongs to the folder's owner, as if the owner had made it.

A command that an operator runs as root beside a service of another user would else leave files that the
service can neither replace nor remove. Each thing made takes the owner of the folder that it lies in, at
the moment it is made: a walk at the command's end would miss what a killed command left, and take minutes
for millions of files. Becoming the owner for the whole command is the way not taken: the files to import,
which may be root's own, could then not be read.
"""

import errno
import os
import pwd
from contextlib import suppress
from pathlib import Path


def opened(path: Path | str, flags: int, mode: int = 0o644) -> int:
    """Open a file, made where it is missing; return its descriptor. Raises OSError.

    Only what this call made changes its owner: a link that somebody laid here may lead anywhere.
    """
    flags |= os.O_CREAT | os.O_CLOEXEC
    if os.geteuid() != 0:
        return os.open(path, flags, mode)
    try:
        handle = os.open(path, flags | os.O_EXCL, mode)
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        return os.open(path, flags, mode)
    _hand_over(handle, Path(path).parent)
    return handle


def make_folder(folder: Path) -> int:
    """Make a folder, and those above it that are missing; return how many. Raises OSError."""
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
        return 0
    except FileNotFoundError:
        return make_folder(folder.parent) + make_folder(folder)
    if os.geteuid() == 0:
        with suppress(OSError):  # gone, or no longer a folder of ours: then it is not ours to give
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                _hand_over(handle, folder.parent)
            finally:
                os.close(handle)
    return 1


def hand_over_link(link: Path) -> None:
    """Give a symbolic link that was just made to its folder's owner, where we are root."""
    if os.geteuid() == 0:
        owner = link.parent.stat()
        with suppress(OSError):
            os.chown(link, owner.st_uid, owner.st_gid, follow_symlinks=False)


def described(exc: OSError) -> str:
    """Say what the machine refused and where, and whose it is where that is why."""
    where = f"{exc.filename}: " if exc.filename else ""
    why = f"{where}{exc.strerror or exc}"
    if (
        exc.errno in (errno.EACCES, errno.EPERM)
        and exc.filename
        and (owner := _owner_in_the_way(exc.filename))
    ):
        why += f" ({owner}, and this runs as {user_name(os.geteuid())})"
    return why


def _owner_in_the_way(name: str | bytes) -> str:
    """Name whose the file is, or the lowest folder above it that is there."""
    path = Path(os.fsdecode(name))
    for each in (path, *path.absolute().parents):
        try:
            owner = each.lstat().st_uid
        except OSError:
            continue
        return f"{each} belongs to {user_name(owner)}" if owner != os.geteuid() else ""
    return ""


def user_name(user: int) -> str:
    """Return the name of a user, or its number where it has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _hand_over(handle: int, folder: Path) -> None:
    owner, made = folder.stat(), os.fstat(handle)
    if made.st_uid == 0 and (owner.st_uid, owner.st_gid) != (made.st_uid, made.st_gid):
        with suppress(PermissionError):  # a network's disk: root has no more rights there than others
            os.fchown(handle, owner.st_uid, owner.st_gid)
