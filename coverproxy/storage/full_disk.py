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


def explained(path: Path, exc: Exception | str) -> str:
    """Return what the disk of *path* lacks where that may be why SQLite failed; else SQLite's error.

    SQLite says "unable to open" where it finds no inode for the files that it keeps beside the database.
    """
    told = str(exc)
    if not told.startswith(("unable to open", "disk I/O", "database or disk is full")):
        return told
    return lack(path) or told
