"""Where benchmarks lay their files: a folder for each, removed when it is over, or by `all` at the very end.

On ext4 a new file is dear for minutes after many were deleted, as its inode is searched for: what ran before
would slow what comes after.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

KEPT_IN = "COVERPROXY_BENCH_SCRATCH"
"""The environment variable with the folder that folders are made in and left to whoever has set it."""


@contextlib.contextmanager
def folder() -> Iterator[str]:
    """Yield an empty folder."""
    if kept_in := os.environ.get(KEPT_IN):
        yield tempfile.mkdtemp(dir=kept_in)
    else:
        with tempfile.TemporaryDirectory() as name:
            yield name


def file_system() -> str:
    """Return the type of the file system that the folders lie on, such as ext4 or tmpfs."""
    place = Path(os.environ.get(KEPT_IN) or tempfile.gettempdir()).resolve()
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    mounts = {fields[1]: fields[2] for fields in map(str.split, lines)}
    return next((mounts[str(each)] for each in (place, *place.parents) if str(each) in mounts), "unknown")
