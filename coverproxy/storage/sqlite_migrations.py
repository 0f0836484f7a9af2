"""SQLite files brought to their schema: once, by one process, whole or not at all."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

WAIT_SECONDS = 10.0
"""How long a statement waits for another process's lock."""

_STEP_MILLISECONDS = 600_000
"""How long others wait for the one who takes a step: to count 30 million rows takes a while."""


def connect(path: Path, wait_seconds: float = WAIT_SECONDS, *, make: bool = False) -> sqlite3.Connection:
    """Open a SQLite file that apply() has made: every statement is its own transaction.

    A file that is missing is made only where *make* says so: an empty one in its place would hide the fault.
    synchronous=NORMAL: a killed process loses nothing; a power cut may lose the last moment, and tears
    nothing (sqlite.org/wal.html).
    """
    connection = sqlite3.connect(
        uri(path, "rwc" if make else "rw"),
        uri=True, timeout=wait_seconds, isolation_level=None, check_same_thread=False,
    )  # fmt: skip
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def uri(path: Path, mode: str) -> str:
    """Name a file to SQLite, to be opened as *mode* ("ro", "rw", "rwc") has it."""
    return f"{path.absolute().as_uri()}?mode={mode}"


def steps(folder: Traversable, stem: str) -> list[str]:
    """Read `{stem}-1.sql`, `{stem}-2.sql` and so on: what brings a file from each version to the next."""
    found: list[str] = []
    while (file := folder.joinpath(f"{stem}-{len(found) + 1}.sql")).is_file():
        found.append(file.read_text(encoding="utf-8"))
    return found


class StepFailed(sqlite3.DatabaseError):
    """A file cannot be brought to the present schema: says from which version to which, and what to do."""


Mend = Callable[[sqlite3.Connection, int], int]
"""Brings a file whose number promises more than it has to what the number says; returns the number."""


def apply(path: Path, steps: Sequence[str], mend: Mend | None = None) -> None:
    """Make the file, or take the steps it lacks, all or none. Blocks; the lock makes one process the maker.

    Its `user_version` is the number of steps taken. One that has taken more was made by a newer version: it
    is left as it is. A step that was released never changes, nor its number; *mend* is for those that did.
    Raises sqlite3.Error, StepFailed among them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = connect(path, make=True)
    try:
        _use_wal(connection)
        connection.execute(f"PRAGMA busy_timeout = {_STEP_MILLISECONDS}")
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            taken = _take(connection, found, steps, mend)
            connection.execute(f"PRAGMA user_version = {max(taken, len(steps))}")
    finally:
        connection.close()


CHECKED_BYTES = 100_000_000
"""A larger database is only opened: checking it would take minutes, and push other pages out of memory."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What a file looks like to SQLite. `damage`: what is wrong with it, in SQLite's words; "": nothing.

    `version`: how many schema steps it has taken; 0 for an empty file.
    """

    version: int = 0
    damage: str = ""
    is_checked_through: bool = False


def rehearse(path: Path, steps: Sequence[str], mend: Mend | None = None) -> None:
    """Take the steps that a file lacks on a copy of its schema. Raises as apply() does; changes nothing."""
    with closing(sqlite3.connect(uri(path, "ro"), uri=True, timeout=5)) as file:
        version = file.execute("PRAGMA user_version").fetchone()[0]
        made = file.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        for (sql,) in made:
            copy.execute(sql)
        _take(copy, version, steps, mend)


def examine(path: Path) -> Examined:
    """Look at a file without changing it; one that cannot be read as a database is damaged."""
    try:
        with closing(sqlite3.connect(uri(path, "ro"), uri=True, timeout=5)) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            is_small = path.stat().st_size < CHECKED_BYTES
            said = database.execute("PRAGMA quick_check(1)").fetchone()[0] if is_small else "ok"
    except sqlite3.Error as exc:
        return Examined(damage=str(exc))
    return Examined(version, "" if said == "ok" else said, is_small)


def trouble(path: Path, steps: Sequence[str], mend: Mend | None = None) -> str:
    """Say why apply() would fail on a file that is there, or "": it would not."""
    try:
        rehearse(path, steps, mend)
    except sqlite3.Error as exc:
        return str(exc)
    return ""


def recover_command(path: Path) -> str:
    """Say how what can still be read of a damaged file is saved."""
    return f"sqlite3 {path} .recover"


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL for good. The switch does not wait for a lock as statements do, so we do."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _take(connection: sqlite3.Connection, found: int, steps: Sequence[str], mend: Mend | None) -> int:
    """Take the steps that a file of version *found* lacks. Raises StepFailed."""
    try:
        taken = mend(connection, found) if mend and 0 < found < len(steps) else found
        for step in steps[taken:]:
            run_all(connection, step)
    except sqlite3.Error as exc:
        raise StepFailed(
            f"it is of version {found}, and cannot be brought to version {len(steps)}: {exc};"
            " it is as it was: restore it from a backup, or run the coverproxy that made it"
        ) from exc
    return taken


def run_all(connection: sqlite3.Connection, script: str) -> None:
    """Run every statement of a script within the transaction around it."""
    for statement in _statements(script):
        connection.execute(statement)


def tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of a file's tables."""
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _statements(schema: str) -> Iterator[str]:
    """Split a schema into statements: executescript() would commit the transaction around it."""
    statement = ""
    for line in schema.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
