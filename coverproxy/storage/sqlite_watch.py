"""Looks at a SQLite file from outside: which version made it, and whether another process locks it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from coverproxy.storage import sqlite_migrations

_OPEN_FILES = "/proc/self/fd"
_DELETED = " (deleted)"

Stamp = tuple[int, int]
"""What changes with every commit: the size of the file's log, and its time."""


class DatabaseUnusable(Exception):
    """SQLite cannot use a file. `is_damaged`: that will last, as it is damaged or not a database of ours."""

    def __init__(self, error: sqlite3.Error) -> None:
        super().__init__(str(error))
        self.is_damaged = sqlite_migrations.is_other_file(error) or sqlite_migrations.is_damage(error)


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise DatabaseUnusable(exc) from exc


def look(path: Path, known: int) -> tuple[str, Stamp | None]:
    """Return what newer() and locked() do, by one connection. Raises DatabaseUnusable.

    A lock may keep others from reading, too: one that lasts, and for a moment that of a process which opens
    or leaves the file.
    """
    with (
        _mapped(),
        sqlite_migrations.suppress_busy(),
        closing(sqlite_migrations.connect(path, 0.0)) as connection,
    ):
        return _newer(connection, path, known), _locked(connection, path)
    return "", _stamp(path)


def deleted_files() -> set[str]:
    """Return the paths of the files that this process has open although they were deleted.

    Text and no Paths: every connection is among the open files, and this is called every second.
    """
    found = set()
    with suppress(OSError):  # not Linux
        for handle in os.listdir(_OPEN_FILES):  # noqa: PTH208
            try:
                target = os.readlink(f"{_OPEN_FILES}/{handle}")  # noqa: PTH115
            except OSError:  # closed meanwhile
                continue
            if target.endswith(_DELETED):
                found.add(target.removesuffix(_DELETED))
    return found


def has_lost_log(path: Path, deleted: set[str]) -> bool:
    """Return whether this process writes to a log of the file that was deleted: nobody else will see it."""
    return f"{path.resolve()}-wal" in deleted


def newer(path: Path, known: int) -> str:
    """Return that a newer version made the file, if its version is higher than *known*, else "".

    Waits for a lock. Raises DatabaseUnusable.
    """
    with _mapped(), closing(sqlite_migrations.connect(path)) as connection:
        return _newer(connection, path, known)


def locked(path: Path) -> Stamp | None:
    """Return a stamp while another connection holds the write lock, else None.

    Raises DatabaseUnusable, for a file that cannot be written too.

    The same stamp later means that the same transaction holds it still.
    """
    with _mapped(), closing(sqlite_migrations.connect(path, 0.0)) as connection:
        return _locked(connection, path)


def _newer(connection: sqlite3.Connection, path: Path, known: int) -> str:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version <= known:
        return ""
    return f"{path} was made by a newer version: it has version {version}, expected {known}"


def _locked(connection: sqlite3.Connection, path: Path) -> Stamp | None:
    with sqlite_migrations.suppress_busy():
        sqlite_migrations.refuse_readonly(connection)
        return None
    return _stamp(path)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.with_name(path.name + "-wal").stat()
    except OSError:
        return (0, 0)
    return found.st_size, found.st_mtime_ns


def lock_told(path: Path) -> str:
    """Describe a lasting lock, and how to find its holder."""
    return (
        f"{path} is locked by another process: nothing can be written to it; `fuser {path}` lists who uses it"
    )
