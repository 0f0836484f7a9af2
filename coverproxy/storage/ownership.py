"""Files that root creates in a data folder get the folder's owner.

Otherwise a command run as root, beside a service of another user, would leave files that the service can
neither replace nor remove. Each new file takes the owner of its folder at the moment it is made: a walk at
the end of the command would miss the files of a killed command, and take minutes for millions of files.
Changing the user of the whole command is not an option: it could then not read files to import that only
root may read.
"""

import errno
import os
import pwd
from contextlib import suppress
from pathlib import Path

from coverproxy.storage import full_disk


def opened(path: Path | str, flags: int, mode: int = 0o644) -> int:
    """Open a file, creating it if missing; return its descriptor. Raises OSError.

    Changes the owner only of what this call created: a link that somebody put here may point anywhere.
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
    folder = os.path.dirname(path)  # noqa: PTH120 - text takes a tenth of the time
    if not _is_of_root(folder):
        _hand_over(handle, folder)
    return handle


def make_folder(folder: Path | str) -> int:
    """Create a folder and its missing parents; return how many. Raises OSError.

    With paths as text: each new cover may need one, and a Path takes ten times as long.
    """
    name, above_made = os.fspath(folder), 0
    above = os.path.dirname(name) or "."  # noqa: PTH120
    try:
        is_new = _is_made(name)
    except FileNotFoundError:
        above_made = make_folder(above)  # 0: another process has just made it
        is_new = _is_made(name)  # raised again in a file system like /proc, in which nothing can be made
    if not is_new:
        return above_made
    if os.geteuid() == 0 and not _is_of_root(above):
        with suppress(OSError):  # gone, or replaced by something that is not ours
            handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                _hand_over(handle, above)
            finally:
                os.close(handle)
    return above_made + 1


def _is_made(name: str) -> bool:
    """Create one folder; False if it is there already. Raises OSError."""
    try:
        os.mkdir(name)  # noqa: PTH102
    except FileExistsError:
        if not os.path.isdir(name):  # noqa: PTH112
            raise
        return False
    return True


def hand_over_link(link: Path) -> None:
    """Give a symbolic link that was just made to its folder's owner, if we are root."""
    if os.geteuid() == 0:
        owner = link.parent.stat()
        with suppress(OSError):
            os.chown(link, owner.st_uid, owner.st_gid, follow_symlinks=False)


def described(exc: OSError) -> str:
    """Describe a failed file operation and its path, and name the owner if permissions are the cause."""
    where = f"{exc.filename}: " if exc.filename else ""
    why = f"{where}{exc.strerror or exc}"
    if (
        exc.errno in (errno.EACCES, errno.EPERM)
        and exc.filename
        and (owner := _owner_in_the_way(exc.filename))
    ):
        why += f" ({owner}, and this runs as {user_name(os.geteuid())})"
    if exc.errno in (errno.ENOSPC, errno.EDQUOT) and exc.filename:
        lacking = full_disk.lack(Path(os.fsdecode(exc.filename)))
        why += f": {lacking}" if lacking else ""
    return why


def _owner_in_the_way(name: str | bytes) -> str:
    """Name the owner of the file, or of its lowest existing parent folder."""
    path = Path(os.fsdecode(name))
    for each in (path, *path.absolute().parents):
        try:
            owner = each.lstat().st_uid
        except OSError:
            continue
        return f"{each} belongs to {user_name(owner)}" if owner != os.geteuid() else ""
    return ""


def user_name(user: int) -> str:
    """Return the name of a user, or its number if it has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _is_of_root(folder: str) -> bool:
    """Return whether what root makes in a folder is its owner's already, as root's own folders mostly are."""
    owner = os.stat(folder or ".")  # noqa: PTH116 - text
    return owner.st_uid == 0 and owner.st_gid == os.getegid()


def _hand_over(handle: int, folder: str) -> None:
    owner, made = os.stat(folder or "."), os.fstat(handle)  # noqa: PTH116 - text
    if made.st_uid == 0 and (owner.st_uid, owner.st_gid) != (made.st_uid, made.st_gid):
        with suppress(PermissionError):  # on a network disk, root may have no special rights
            os.fchown(handle, owner.st_uid, owner.st_gid)
