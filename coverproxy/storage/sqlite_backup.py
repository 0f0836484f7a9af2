"""Copies a SQLite file consistently while others write it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from coverproxy.storage import atomic, ownership, sqlite_migrations

_PAGES = 4096
"""Pages copied at a time; writers run in between."""


def copy(source: Path, target: Path) -> None:
    """Copy *source* to *target*, which appears complete or not at all. Raises OSError, also for damage.

    Deletes the -wal and -shm of an earlier *target*: SQLite would replay them into the copy.
    """
    beside = atomic.temporary(target.parent)
    os.close(ownership.opened(beside, os.O_RDWR | os.O_EXCL, 0o600))
    try:
        _copy(source, beside)
        for ending in ("-wal", "-shm"):
            target.with_name(target.name + ending).unlink(missing_ok=True)
        beside.replace(target)
        atomic.sync_folder(target.parent)
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            beside.with_name(beside.name + ending).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(sqlite_migrations.uri(source, "ro"), uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new, pages=_PAGES)
    except sqlite3.Error as exc:
        raise OSError(f"{source} cannot be copied: {exc}") from exc
