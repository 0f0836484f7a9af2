"""Which kind of room a disk has run out of: the kernel has one error for both."""

import os
from pathlib import Path


def lack(path: Path) -> str:
    """Return what the disk of *path* has run out of, with the way out; "" if it has bytes and inodes left.

    *path* need not exist: its lowest existing parent folder counts.
    """
    for each in (path, *path.absolute().parents):
        try:
            room = os.statvfs(each)
        except OSError:
            continue
        if room.f_files and room.f_favail == 0:  # some file systems have no fixed number: f_files is 0
            return "its disk has no inodes left (see df -i): delete files, or use a file system with more"
        if room.f_blocks and room.f_bavail == 0:  # /proc has none at all
            return "its disk is full (see df -h): delete files, or use a larger one"
        return ""
    return ""


def explained(path: Path, exc: Exception) -> str:
    """Return SQLite's error about the file *path*, and what the disk lacks where that may be why.

    SQLite says "unable to open" where it finds no inode for the files that it keeps beside the database.
    """
    if not str(exc).startswith(("unable to open", "disk I/O", "database or disk is full")):
        return str(exc)
    lacking = lack(path)
    return f"{exc}; {lacking}" if lacking else str(exc)
