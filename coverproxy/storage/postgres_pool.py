"""One PostgreSQL server for the threads of a process: few connections, bounded waits, the owner's errors."""

import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

import psycopg
from psycopg import conninfo

from coverproxy.storage.statement import Rows

STATEMENT_SECONDS = 3.0
"""When an ordinary statement is given up: a server that is up answers in milliseconds."""

LOCK_SECONDS = 10.0
"""How long a transaction waits for a lock that another one holds."""

_LEND_SECONDS = 3.0
"""How long a thread waits for a connection where all are in use."""

_REST_SECONDS = 1.0
"""Seconds before an unreachable server is tried again: calls meanwhile fail at once."""

_PREPARED_FROM = 3
"""A statement that a connection runs this often is prepared: then the server neither parses nor plans it."""

_DEFAULTS: dict[str, Any] = {
    "application_name": "coverproxy",
    "connect_timeout": 2,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 8000,
}
"""What a URL may set otherwise. A machine that vanished is noticed in seconds: the kernel takes two hours."""


class BoundedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection on which nothing waits longer than `within` seconds (None: for ever).

    By the client's clock: `statement_timeout` needs a server that still answers, and is session state, which
    PgBouncer's transaction mode does not keep.
    """

    within: float | None = STATEMENT_SECONDS

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """See psycopg. Closes the connection when the time is up, as its state is then unknown."""
        if timeout is not None or self.within is None:
            return super().wait(gen, interval, timeout)
        until = time.monotonic() + self.within
        try:
            return super().wait(gen, interval, self.within)
        except psycopg.OperationalError:
            if time.monotonic() < until:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer in {self.within:g} s") from None


def parameters(url: str) -> dict[str, Any]:
    """Return a URL's connection parameters. Raises psycopg.ProgrammingError for an invalid URL."""
    return _DEFAULTS | conninfo.conninfo_to_dict(url) | {"client_encoding": "utf8"}  # not as the database


def place(url: str) -> str:
    """Say which server and database a URL means, without its password: for logs and findings."""
    with suppress(psycopg.ProgrammingError):
        found = conninfo.conninfo_to_dict(url)
        port = f":{found['port']}" if "port" in found else ""
        return f"postgresql://{found.get('host', '')}{port}/{found.get('dbname', '')}"
    return "postgresql"


class PostgresPool:
    """Connections to one database. Blocks; safe from several threads, each statement its own transaction.

    At most *most* connections, made when they are needed. No session state (no SET or session locks; prepared
    statements only if *prepares*), so that PgBouncer may hand each transaction another server connection.
    *fault* makes the error that every method raises in place of psycopg.Error. While the server is away, one
    thread a second finds out whether it is back; all others fail at once. MUST be used for the first time
    after a fork.

    Not psycopg_pool: it connects in background threads, backs off, and reports a timeout to waiting callers,
    not that the server refused the connection.
    """

    def __init__(
        self, url: str, fault: Callable[[str], Exception], most: int = 4, *, prepares: bool = False
    ) -> None:
        self.url = url
        self._prepare_threshold = _PREPARED_FROM if prepares else None
        self.place = place(url)
        self._fault = fault
        self._most = most
        self._idle: list[BoundedConnection] = []
        self._free: SimpleQueue[None] = SimpleQueue()  # a semaphore would do, at ten times its cost
        for _ in range(most):
            self._free.put(None)
        self._guard = threading.Lock()
        self._away = ""
        self._again_at = 0.0
        self._back_at = 0.0

    @property
    def away(self) -> str:
        """Why the server cannot be reached, as last found; "": it can."""
        return self._away

    def read(self, sql: str, values: Any = ()) -> Rows:
        """Run a query."""
        return self._once(sql, values)

    def write(self, sql: str, values: Any = ()) -> Rows:
        """Run one statement, as a transaction of its own."""
        return self._once(sql, values)

    def _once(self, sql: str, values: Any) -> Rows:
        """Run a statement as lent() would have it run, without its generators: a lookup is little more."""
        self._refuse_while_away()
        began_at = time.monotonic()
        try:
            connection = self._borrowed(STATEMENT_SECONDS)
            try:
                return run(connection, sql, values)
            finally:
                self._take_back(connection)
        except psycopg.Error as exc:
            raise self._found(exc, began_at) from exc

    @contextmanager
    def transaction(
        self, lock: int | None = None, within: float | None = STATEMENT_SECONDS,
        lock_seconds: float = LOCK_SECONDS,
    ) -> "Iterator[PostgresTransaction]":  # fmt: skip
        """Give what runs statements of one transaction: all of them are kept, or none.

        *lock*: the number of an advisory lock that it holds to its end, waiting *lock_seconds* for it.
        """
        begin = "BEGIN"
        if lock is not None:  # in one message, so in one round trip
            milliseconds = int(lock_seconds * 1000)
            begin = f"BEGIN; SET LOCAL lock_timeout = {milliseconds}; SELECT pg_advisory_xact_lock({lock})"
        with self.lent(LOCK_SECONDS + STATEMENT_SECONDS if lock is not None else within) as connection:
            connection.execute(begin, prepare=False)
            connection.within = within
            try:
                yield PostgresTransaction(self, connection)
            except BaseException:
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK", prepare=False)
                raise
            connection.execute("COMMIT", prepare=False)

    @contextmanager
    def lent(self, within: float | None = STATEMENT_SECONDS) -> Iterator[BoundedConnection]:
        """Lend a connection on which each statement has *within* seconds."""
        self._refuse_while_away()
        with self.mapped():
            connection = self._borrowed(within)
            try:
                yield connection
            finally:
                self._take_back(connection)

    def fault(self, why: str) -> Exception:
        """Make the error that says why this database cannot be used."""
        return self._fault(f"{self.place}: {why}")

    def close(self) -> None:
        """Close the connections that nobody uses; the next use opens others."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def renew(self) -> None:
        """Try the server again at once, on new connections: another way has just found that it is back.

        Whoever still waits for an answer of before says nothing about it then.
        """
        self._back_at = time.monotonic()
        self._away = ""  # for all: what waits for it need not wait for one to find out
        self.close()

    @contextmanager
    def mapped(self) -> Iterator[None]:
        """Turn psycopg's errors into the owner's."""
        began_at = time.monotonic()
        try:
            yield
        except psycopg.Error as exc:
            raise self._found(exc, began_at) from exc

    def _found(self, exc: psycopg.Error, began_at: float) -> Exception:
        """Return the owner's error for psycopg's; note where it means that the server is away."""
        if _is_away(exc) and began_at >= self._back_at:
            self._away, self._again_at = told(exc), time.monotonic() + _REST_SECONDS
            self.close()  # after a cut, each would have to be waited for in vain
        return self.fault(told(exc))

    def _borrowed(self, within: float | None) -> BoundedConnection:
        """Take a connection, which MUST be taken back. Raises psycopg.Error."""
        try:
            self._free.get(timeout=_LEND_SECONDS)
        except Empty:
            raise psycopg.InterfaceError(f"all {self._most} connections are in use") from None
        try:
            connection = self._idle_one() or self._connect()
        except BaseException:
            self._free.put(None)
            raise
        self._away = ""
        connection.within = within
        return connection

    def _refuse_while_away(self) -> None:
        """Raise *fault* at once while the server is left alone; let one thread through to find out."""
        if not self._away:
            return
        with self._guard:
            now = time.monotonic()
            if now < self._again_at:
                raise self.fault(self._away)
            self._again_at = now + STATEMENT_SECONDS

    def _idle_one(self) -> BoundedConnection | None:
        """Return the most recently used connection that the server has not closed meanwhile."""
        with suppress(IndexError):
            while connection := self._idle.pop():
                if _is_alive(connection):
                    return connection
                connection.close()
        return None

    def _connect(self) -> BoundedConnection:
        how = parameters(self.url) | {"autocommit": True, "prepare_threshold": self._prepare_threshold}
        return BoundedConnection.connect(**how)

    def _take_back(self, connection: BoundedConnection) -> None:
        try:
            is_idle = connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE
            if connection.closed or not is_idle:
                connection.close()
            else:
                self._idle.append(connection)
        finally:
            self._free.put(None)


class PostgresTransaction:
    """Runs the statements of one transaction: a Run."""

    def __init__(self, pool: PostgresPool, connection: BoundedConnection) -> None:
        self._pool = pool
        self._connection = connection

    def __call__(self, sql: str, values: Any = ()) -> Rows:
        """Run a statement."""
        with self._pool.mapped():
            return run(self._connection, sql, values)

    def copy(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """See Copy."""
        within, count = self._connection.within, 0
        self._connection.within = None
        try:
            with self._pool.mapped(), self._connection.cursor() as cursor, cursor.copy(sql) as copy:
                for row in rows:
                    copy.write_row(_plain(row))
                    count += 1
        finally:
            self._connection.within = within
        return count


def run(connection: BoundedConnection, sql: str, values: Any = ()) -> Rows:
    """Run a statement to its end and return its rows."""
    cursor = connection.execute(sql, _plain(values) or None)
    has_rows = cursor.pgresult is not None and cursor.pgresult.status == psycopg.pq.ExecStatus.TUPLES_OK
    return cursor.fetchall() if has_rows else []  # description would describe every column


def is_locked_out(exc: BaseException | None) -> bool:
    """Say whether an error means that others held a lock for too long."""
    return isinstance(exc, psycopg.errors.LockNotAvailable)


def told(exc: BaseException) -> str:
    """Say an error in one line."""
    return " ".join(str(exc).split()) or type(exc).__name__


def _plain(values: Any) -> Any:
    """Return values without NUL in their texts: PostgreSQL takes none."""
    if isinstance(values, Mapping):
        return {name: _without_nul(value) for name, value in values.items()}
    for value in values:
        if isinstance(value, str) and "\0" in value:
            return tuple(map(_without_nul, values))
    return values


def _without_nul(value: Any) -> Any:
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value


def _is_away(exc: psycopg.Error) -> bool:
    """Say whether an error means that the server cannot be reached, rather than that it refused something."""
    if exc.sqlstate is None:
        return isinstance(exc, psycopg.OperationalError)
    return exc.sqlstate.startswith(("08", "57P", "53300"))


def _is_alive(connection: BoundedConnection) -> bool:
    """Return whether the server has sent nothing since the last answer: what it sends unasked is a farewell.

    This is one system call; a query would be a round trip. A changed server setting is sent unasked too,
    and costs a new connection.
    """
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)


def marks(values: Iterable[Any]) -> str:
    """Return a parameter's mark for each value, for a list in a statement."""
    return ", ".join("%s" for _ in values)
