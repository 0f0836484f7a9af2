"""What a cache takes whose count is lost, told quickly: by looking at all of a small one, else at most."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

_MOST_FILES = 10_000
_MOST_SECONDS = 1.0


def bytes_taken(folder: Path, most: int) -> int:
    """Return what a folder takes on disk if it holds few files; else *most*, or all that its disk holds."""
    seen: dict[int, int] = {}
    until = time.monotonic() + _MOST_SECONDS
    for stat in _stats(str(folder)):
        seen[stat.st_ino] = stat.st_blocks * 512
        if len(seen) > _MOST_FILES or time.monotonic() > until:
            disk = os.statvfs(folder)
            return min((disk.f_blocks - disk.f_bfree) * disk.f_frsize, most)
    return sum(seen.values())


def _stats(folder: str) -> Iterator[os.stat_result]:
    """Yield the stat of a folder and of all that is below it; of what is gone meanwhile none."""
    waiting = [folder]
    while waiting:
        at = waiting.pop()
        try:
            yield os.lstat(at)
            with os.scandir(at) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            continue
