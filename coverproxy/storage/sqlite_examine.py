"""Looks into a SQLite file without changing it: its version, its damage, whether it can be migrated."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from coverproxy.storage import sqlite_creation
from coverproxy.storage.sqlite_migrations import Mend, busy_told, is_busy, migrate, uri

CHECKED_BYTES = 100_000_000
"""A larger database is only opened: checking it would take minutes and evict other pages from memory."""


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """The state of a file. `damage`: SQLite's message, "" if sound.

    `version`: how many migrations it has run; 0 for an empty file. `is_locked`: nobody else may read it now.
    """

    version: int = 0
    damage: str = ""
    is_locked: bool = False
    is_checked_through: bool = False


_MADE = (
    "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    " ORDER BY rowid"
)


def rehearse(path: Path, steps: Sequence[str], mend: Mend | None = None) -> None:
    """Run a file's missing migrations on a copy of its schema. Raises as apply() does; changes nothing."""
    with closing(sqlite3.connect(uri(path, "ro"), uri=True, timeout=5)) as file:
        version = file.execute("PRAGMA user_version").fetchone()[0]
        made = file.execute(_MADE).fetchall()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        for (sql,) in made:
            copy.execute(sql)
        copy.execute(f"PRAGMA user_version = {version}")
        migrate(copy, version, steps, mend)


def examine(path: Path) -> DatabaseState:
    """Examine a file without changing it; an unreadable one counts as damaged."""
    if sqlite_creation.is_emptied(path):
        return DatabaseState()
    try:
        with closing(sqlite3.connect(uri(path, "ro"), uri=True, timeout=5)) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            is_small = path.stat().st_size < CHECKED_BYTES
            said = database.execute("PRAGMA quick_check(1)").fetchone()[0] if is_small else "ok"
    except sqlite3.Error as exc:
        return DatabaseState(is_locked=True) if is_busy(exc) else DatabaseState(damage=str(exc))
    return DatabaseState(version, "" if said == "ok" else said, is_checked_through=is_small)


def trouble(path: Path, steps: Sequence[str], mend: Mend | None = None) -> str:
    """Return why an existing file cannot be migrated, or "" if it can. One that was emptied: ""."""
    if sqlite_creation.is_emptied(path):
        return ""
    try:
        rehearse(path, steps, mend)
    except sqlite3.Error as exc:
        return busy_told(path) if is_busy(exc) else str(exc)
    return ""


def recover_command(path: Path) -> str:
    """Return the command that saves what is readable of a damaged file."""
    return f"sqlite3 {path} .recover"
