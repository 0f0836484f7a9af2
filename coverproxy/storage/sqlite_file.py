"""One SQLite file, shared by the threads of a process. Reads run beside writes; errors map to the owner's."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from coverproxy.storage import full_disk, sqlite_creation, sqlite_migrations
from coverproxy.storage.sqlite_migrations import WAIT_SECONDS, Lost, Mend
from coverproxy.storage.statement import Rows, Run

_WATCH_SECONDS = 0.05
"""Longest wait in change(), which runs on the event loop."""


class SqliteFile:
    """A SQLite file in WAL mode. Blocks; safe for several threads and processes at once.

    A read uses an idle connection, so it never waits behind a writer. Writes share one connection in turn:
    SQLite has one writer at a time in any case, and a thread that waits for a lock wakes at once, whereas
    SQLite's own busy handler sleeps and polls.

    *fault* makes the exception that every method raises in place of sqlite3.Error.

    *wait_seconds*: how long a write waits for another one. *lost*: see sqlite_migrations.apply().

    If open() cannot use the file, the object is shut: everything but open() fails at once, with the reason.
    The same happens if the file was replaced by another, which may need migrations first.
    """

    def __init__(
        self,
        path: Path,
        steps: Callable[[], Sequence[str]],
        fault: Callable[[str], Exception],
        cache_kib: int = 2000,
        mend: Mend | None = None,
        wait_seconds: float = WAIT_SECONDS,
        lost: Lost | None = None,
    ) -> None:
        self.path = path
        self._steps = steps
        self._fault = fault
        self._cache_kib = cache_kib
        self._mode = "rw"
        self._mend = mend
        self._wait_seconds = wait_seconds
        self._lost = lost
        self._readers: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._writing = threading.Lock()
        self._watcher: sqlite3.Connection | None = None
        self._watching = threading.Lock()
        self._opened = 0
        self._shut = self._damage = ""

    @property
    def damage(self) -> str:
        """What SQLite said of damaged pages that were met since open(), "" if none were."""
        return self._damage

    @property
    def is_shut(self) -> bool:
        """Whether open() must succeed before anything else can."""
        return bool(self._shut)

    def open(self) -> None:
        """Create the file, or run the migrations that it lacks. Raises *fault*, OSError.

        Closes connections to a file that was at the same path before.
        """
        self.close()
        with self._mapped():
            try:
                sqlite_migrations.apply(self.path, self._steps(), self._mend, self._lost)
            except sqlite3.Error as exc:
                self.close()
                self._shut = str(exc)
                raise
        self._shut = self._damage = ""

    def open_to_read(self) -> None:
        """Open the file as it is, even if this user may only read it. Raises *fault*.

        A file in WAL mode can be read that way if its -shm exists, or if nobody writes it (immutable).
        """
        with self._mapped():
            if sqlite_creation.is_emptied(self.path):
                raise sqlite_migrations.StepFailed((self._lost and self._lost()) or "it is empty")
            wal = self.path.with_name(self.path.name + "-wal")
            modes = ["rw", "ro", *(["ro&immutable=1"] if not wal.exists() else [])]
            for self._mode in modes:
                try:
                    with closing(self._connect(WAIT_SECONDS)) as connection:
                        _run(connection, "SELECT count(*) FROM sqlite_master")
                        return
                except sqlite3.Error:
                    if self._mode == modes[-1]:
                        raise

    def read(self, sql: str, values: Iterable[Any] = ()) -> Rows:
        """Run a query outside any transaction."""
        readers, connection = self._readers, None
        try:
            connection = self._lent(readers)
            rows = _run(connection, sql, values)
        except BaseException as exc:
            if connection is not None:
                connection.close()
            if isinstance(exc, sqlite3.Error):
                raise self._explained(exc) from exc
            raise
        readers.append(connection)
        if readers is not self._readers:  # it is of the file before
            _end(readers)
        return rows

    def write(self, sql: str, values: Iterable[Any] = ()) -> Rows:
        """Run one statement in its own transaction."""
        with self._mapped(), self._sole_writer() as connection:
            return _run(connection, sql, values)

    @contextmanager
    def transaction(self) -> Iterator[Run]:
        """Yield a function that runs statements in one transaction: all of them are kept, or none."""
        with self._mapped(), self._sole_writer() as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield partial(self._run, connection)

    def change(self) -> int:
        """Return a number that differs after any thread or process wrote to the file.

        Reads shared memory (some microseconds), so the event loop may call it. Never raises: if the file
        cannot be read, it returns a number that it never returned before.
        """
        with self._watching:
            try:
                if self._watcher is None:
                    self._opened += 1
                    self._watcher = self._connect(_WATCH_SECONDS)
                return (self._opened << 32) + int(self._watcher.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error:
                self._end_watch()
                self._opened += 1
                return self._opened << 32

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        # A new list first: else a thread takes one of the file before while another of them is being closed,
        # which may write its log back, and gives it back for the next.
        readers, self._readers = self._readers, []
        _end(readers)
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        with self._watching:
            self._end_watch()

    def _run(self, connection: sqlite3.Connection, sql: str, values: Iterable[Any] = ()) -> Rows:
        with self._mapped():
            return _run(connection, sql, values)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise self._explained(exc) from exc

    def _explained(self, exc: sqlite3.Error) -> Exception:
        """Return the owner's exception for an error of SQLite, and remember what it means for this file."""
        if sqlite_migrations.is_other_file(exc):
            self._shut = self._shut or str(exc)
        if sqlite_migrations.is_damage(exc):
            self._damage = str(exc)
        return self._fault(f"{self.path.name}: {full_disk.explained(self.path, exc)}")

    def _lent(self, readers: list[sqlite3.Connection]) -> sqlite3.Connection:
        """Return an idle connection, or another one."""
        try:
            return readers.pop()  # the last one used has the warmest cache
        except IndexError:
            return self._connect(WAIT_SECONDS)

    @contextmanager
    def _sole_writer(self) -> Iterator[sqlite3.Connection]:
        if not self._writing.acquire(timeout=self._wait_seconds):
            raise sqlite3.OperationalError("another thread has been writing for too long")
        try:
            if self._writer is None:
                self._writer = self._connect(self._wait_seconds)
            yield self._writer
        except sqlite3.Error:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            raise
        finally:
            self._writing.release()

    def _connect(self, wait_seconds: float) -> sqlite3.Connection:
        if self._shut:
            raise sqlite3.OperationalError(self._shut)
        connection = sqlite_migrations.connect(self.path, wait_seconds, self._mode)
        return sqlite_migrations.set_up(connection, f"PRAGMA cache_size = -{self._cache_kib}")

    def _end_watch(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None


def _end(connections: list[sqlite3.Connection]) -> None:
    """Close them all; several threads may do so at once."""
    with suppress(IndexError):
        while True:
            connections.pop().close()


def _run(connection: sqlite3.Connection, sql: str, values: Iterable[Any] = ()) -> Rows:
    return connection.execute(sql, values).fetchall()  # type: ignore[arg-type]
