"""SQLite migrations: run once, by one process, completely or not at all."""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path

from coverproxy.storage import ownership, sqlite_creation
from coverproxy.storage.recent_events import RecentEvents

_log = logging.getLogger(__name__)

WAIT_SECONDS = 10.0
"""How long a statement, or a migration, waits for another process's lock."""

_TELL_SECONDS = 2.0
"""How long a migration waits for a lock before it says so."""

_TELL_AGAIN_SECONDS = 60.0
_told = RecentEvents()


def connect(path: Path, wait_seconds: float = WAIT_SECONDS, mode: str = "rw") -> sqlite3.Connection:
    """Open a SQLite file that apply() has prepared; each statement is its own transaction.

    A missing file is not created: an empty one in its place would hide the fault.
    synchronous=NORMAL: a killed process loses nothing; a power cut may lose the last moment, but corrupts
    nothing (sqlite.org/wal.html).
    """
    connection = sqlite3.connect(
        uri(path, mode), uri=True, timeout=wait_seconds, isolation_level=None, check_same_thread=False,
    )  # fmt: skip
    return set_up(connection, "PRAGMA synchronous = NORMAL")


def set_up(connection: sqlite3.Connection, *statements: str) -> sqlite3.Connection:
    """Run *statements* on a new connection, and return it; close it where one fails.

    Else it would be open for as long as anybody has the error, which knows where it came from: a damaged file
    that is put right is then said to be in use still.
    """
    try:
        for each in statements:
            connection.execute(each)
    except BaseException:
        connection.close()
        raise
    return connection


def uri(path: Path, mode: str) -> str:
    """Return the SQLite URI of a file with *mode*: "ro", "rw", "rwc", "ro&immutable=1"."""
    return f"{path.absolute().as_uri()}?mode={mode}"


def steps(folder: Traversable, stem: str) -> list[str]:
    """Read the migrations `{stem}-1.sql`, `{stem}-2.sql` and so on; each leads to the next version."""
    found: list[str] = []
    while (file := folder.joinpath(f"{stem}-{len(found) + 1}.sql")).is_file():
        found.append(file.read_text(encoding="utf-8"))
    return found


class StepFailed(sqlite3.DatabaseError):
    """A file lacks the current schema and cannot be migrated. The message says why, and what to do."""


class Locked(StepFailed):
    """Another process locks a file for too long."""


Mend = Callable[[sqlite3.Connection, int], int]
"""Repairs a file that has less than its version number claims; returns the version it has then."""


Lost = Callable[[], str]
"""Says why a file that is missing or empty may not be begun anew: it was in use. "": it was not."""


def apply(path: Path, steps: Sequence[str], mend: Mend | None = None, lost: Lost | None = None) -> None:
    """Create the file, or run the migrations it lacks, all or none. Blocks; a lock admits one process.

    Its `user_version` is the number of migrations run. If that is higher than ours, a newer version made the
    file: it is used as it is if it has all our tables and columns, else StepFailed says so. A released
    migration never changes, nor its number; *mend* is for those that did.
    If another process locks the file, says so after _TELL_SECONDS, and gives up after WAIT_SECONDS: the
    service goes on without it and tries again.
    Only the file's owner may read it: it holds keys, contacts and a secret.
    Raises sqlite3.Error, including StepFailed.
    """
    ownership.make_folder(path.parent)
    if lost and has_nothing(path) and (why := lost()):
        raise StepFailed(why)
    if not path.exists():
        sqlite_creation.create(path, _made(steps))
    _make_private(path)
    try:
        _bring(path, steps, mend, _TELL_SECONDS)
    except sqlite3.OperationalError as exc:
        if not is_busy(exc):
            raise
        _tell(path)
    else:
        return
    try:
        _bring(path, steps, mend, WAIT_SECONDS - _TELL_SECONDS)
    except sqlite3.OperationalError as exc:
        raise (Locked(busy_told(path)) if is_busy(exc) else exc) from None


def _tell(path: Path) -> None:
    """Say what is waited for: once a minute, as a service tries again every second."""
    if _told.repeats(str(path), time.monotonic(), _TELL_AGAIN_SECONDS) is not None:
        _log.warning("waiting for another process that locks %s: `fuser %s` lists who uses it", path, path)


def busy_told(path: Path) -> str:
    """Say that a lock has lasted for too long, and how to find who holds it."""
    return f"another process keeps it locked: `fuser {path}` lists who uses it; try again once it has ended"


def has_nothing(path: Path) -> bool:
    """Return whether a file is missing, or has no tables. Raises nothing: a damaged one has something."""
    if sqlite_creation.is_emptied(path) or not path.exists():
        return True
    try:
        with closing(sqlite3.connect(uri(path, "ro"), uri=True, timeout=_TELL_SECONDS)) as database:
            return not tables(database)
    except sqlite3.Error:
        return False


def _made(steps: Sequence[str]) -> bytes:
    """Return the bytes of a new file, after all *steps*."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
        migrate(new, 0, steps, None)
        return new.serialize()


def _bring(path: Path, steps: Sequence[str], mend: Mend | None, wait_seconds: float) -> None:
    """Run the migrations that an existing file lacks. Raises sqlite3.Error."""
    connection = connect(path, wait_seconds)
    try:
        _refuse_foreign(connection)
        _use_wal(connection, wait_seconds)
        if _is_current(connection, steps):
            with suppress_busy():
                refuse_readonly(connection)
            return
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            migrate(connection, found, steps, mend)
    finally:
        connection.close()


def is_other_file(exc: sqlite3.Error) -> bool:
    """Return whether an error means that a file opened before is no longer that database."""
    code = getattr(exc, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_NOTADB or (
        code == sqlite3.SQLITE_ERROR and str(exc).startswith(("no such table", "no such column"))
    )


def is_busy(exc: sqlite3.Error) -> bool:
    """Return whether an error means that another connection holds a lock."""
    return (getattr(exc, "sqlite_errorcode", None) or 0) & 0xFF == sqlite3.SQLITE_BUSY


def is_damage(exc: sqlite3.Error) -> bool:
    """Return whether an error means that pages of the file are damaged; others may still be readable."""
    return (getattr(exc, "sqlite_errorcode", None) or 0) & 0xFF == sqlite3.SQLITE_CORRUPT


def _use_wal(connection: sqlite3.Connection, wait_seconds: float) -> None:
    """Switch to WAL permanently. The switch does not wait for locks as statements do, so we retry."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _make_private(path: Path) -> None:
    """Make a file readable by its owner only; SQLite gives its companion files the same permissions.

    MUST NOT open it: closing it would free all locks that SQLite holds on it in this process
    (sqlite.org/howtocorrupt.html, 2.2).
    """
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        with suppress(OSError):  # another user's file is not ours to change; opening it reports the rest
            if part.is_file() and part.stat().st_mode & 0o077:
                part.chmod(0o600)


def _refuse_foreign(connection: sqlite3.Connection) -> None:
    """Raise StepFailed for a file with tables that our migrations did not make; nothing is written to it.

    Tables first: another process that creates the file commits them together with its version.
    """
    found = tables(connection)
    if found and connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        some = ", ".join(sorted(found)[:3])
        raise StepFailed(f"it is another program's database (with the tables {some}): replace it with ours")


@contextmanager
def suppress_busy() -> Iterator[None]:
    """Pass over another process's lock, which may last."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        if not is_busy(exc):
            raise


def refuse_readonly(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.OperationalError for a file that cannot be written, or is locked; nothing is changed.

    A lock alone can be had in a file that may only be read, so a value is written, and taken back.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(f"PRAGMA user_version = {version}")
    finally:
        connection.execute("ROLLBACK")


@lru_cache
def _columns_of(steps: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    """Return the tables that exist after all *steps*, with their columns."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        for step in steps:
            run_all(made, step)
        return frozenset(_columns(made))


def _columns(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    query = (
        "SELECT made.name, info.name FROM sqlite_master made JOIN pragma_table_info(made.name) info"
        " WHERE made.type = 'table'"
    )
    return {(table, column) for table, column in connection.execute(query)}


def _is_current(connection: sqlite3.Connection, steps: Sequence[str]) -> bool:
    """Return whether a file needs no migration. Raises StepFailed if its version is right, or newer than
    ours, and it lacks tables or columns all the same."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found < len(steps):
        return False
    lost = _columns_of(tuple(steps)) - _columns(connection)
    gone = {table for table, _ in lost} - tables(connection)
    names = sorted(gone) or sorted(f"{table}.{column}" for table, column in lost)
    if names:
        what = f"lacks the {'tables' if gone else 'columns'} {', '.join(names)}"
        raise StepFailed(
            f"it {what}: restore it from a backup"
            if found == len(steps)
            else f"it was made by a newer version ({found}, expected {len(steps)}) and {what}:"
            " update coverproxy"
        )
    return True


def migrate(connection: sqlite3.Connection, found: int, steps: Sequence[str], mend: Mend | None) -> None:
    """Run the migrations that a file of version *found* lacks. Raises StepFailed."""
    _refuse_foreign(connection)
    try:
        taken = mend(connection, found) if mend and 0 < found < len(steps) else found
        for step in steps[taken:]:
            run_all(connection, step)
    except sqlite3.Error as exc:
        raise StepFailed(
            f"it is of version {found}, and cannot be migrated to version {len(steps)}: {exc};"
            " it is unchanged: restore it from a backup, or run the coverproxy version that made it"
        ) from exc
    if found < len(steps):
        connection.execute(f"PRAGMA user_version = {len(steps)}")
    _is_current(connection, steps)


def run_all(connection: sqlite3.Connection, script: str) -> None:
    """Run every statement of a script within the current transaction."""
    for statement in _statements(script):
        connection.execute(statement)


def tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of a file's tables, except SQLite's own."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {row[0] for row in found if not row[0].startswith("sqlite_")}


def _statements(schema: str) -> Iterator[str]:
    """Split a schema into statements: executescript() would commit the current transaction."""
    statement = ""
    for line in schema.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
