"""Backups: copies what cannot be made again from the data folder or back; databases first, then originals."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from coverproxy.storage import atomic, ownership, sqlite_backup

DATABASES = ("state.db", "catalogue.db")
"""Without sources.db and cache/, which are caches and can be rebuilt."""

ORIGINALS = "originals"


@dataclass(slots=True)
class Copied:
    """What was copied: databases, and new originals; `there`: originals that existed already."""

    databases: int = 0
    originals: int = 0
    bytes: int = 0
    there: int = 0


def copy(source: Path, target: Path, on_step: Callable[[Copied], None] = lambda copied: None) -> Copied:
    """Copy a data folder's databases, then its originals, to *target*. Blocks. Raises OSError.

    An original that arrives after the databases were copied can be recovered by importing it; a row whose
    file is missing cannot. An original's name contains its digest, so an existing one of the same length is
    skipped: a second backup to the same folder copies what is new. Nothing is removed.
    """
    copied = Copied()
    ownership.make_folder(target)
    for name in DATABASES:
        if (source / name).exists():
            sqlite_backup.copy(source / name, target / name)
            copied.databases += 1
    for path in _originals(source / ORIGINALS):
        _copy_file(path, target / ORIGINALS / path.relative_to(source / ORIGINALS), copied)
        on_step(copied)
    return copied


def count(source: Path) -> int:
    """Return the number of originals in a data folder."""
    return sum(1 for _ in _originals(source / ORIGINALS))


def _originals(folder: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(folder):
        if Path(at) == folder and "tmp" in folders:
            folders.remove("tmp")
        folders.sort()
        yield from (Path(at, name) for name in sorted(names))


def _copy_file(path: Path, target: Path, copied: Copied) -> None:
    found = path.stat()
    if target.is_file() and target.stat().st_size == found.st_size:
        copied.there += 1
        return
    ownership.make_folder(target.parent)
    beside = atomic.temporary(target.parent)
    try:
        with (
            path.open("rb") as old,
            os.fdopen(ownership.opened(beside, os.O_WRONLY | os.O_EXCL), "wb") as new,
        ):
            shutil.copyfileobj(old, new, 1 << 20)
        os.utime(beside, ns=(found.st_atime_ns, found.st_mtime_ns))
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    copied.originals += 1
    copied.bytes += found.st_size
