"""Which timestamp of a file says when it was last used: depends on how its file system is mounted."""

import os
import re
from enum import Enum
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

DAY = 86_400
"""Under `relatime` the kernel updates a file's atime once a day, so nothing finer is known."""


class LastUse(Enum):
    """The timestamp that a derivative's age is counted from."""

    ATIME = "atime"
    """Last read. `relatime`, the usual mount option, keeps it exact to the day."""

    CTIME = "ctime"
    """Creation: all that is known under `noatime`. The mtime is that of the original."""

    def day(self, stat: os.stat_result) -> int:
        """Return the day, counted from 1970, on which a file was last used."""
        return int(stat.st_atime if self is LastUse.ATIME else stat.st_ctime) // DAY


def of_folder(folder: Path) -> LastUse:
    """Return the timestamp to use for the files in *folder*."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # not Linux
        return LastUse.ATIME
    return by_mounts(mounts, folder.resolve())


def by_mounts(mounts: str, folder: Path) -> LastUse:
    """Find it in the text of mountinfo (proc(5)), for the mount that contains the absolute *folder*."""
    deepest, options = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 6:
            continue
        point = Path(_unescaped(fields[4]))
        # a later mount on the same point hides earlier ones
        if folder.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, options = len(point.parts), fields[5]
    return LastUse.CTIME if "noatime" in options.split(",") else LastUse.ATIME


def _unescaped(field: str) -> str:
    """Undo the kernel's octal escapes of space, tab, newline and backslash."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
