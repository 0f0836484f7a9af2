"""Keys and counts in one SQLite file, exact across all processes of a machine."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import date
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import aiosqlite

from coverproxy.accounts import key_row
from coverproxy.accounts.sql_rates import SQLITE, SqlRateLimiter
from coverproxy.accounts.sql_sessions import SqlEndedSessions
from coverproxy.accounts.sqlite_now import TAKE, TAKE_ITEM, SqliteQuotaNow
from coverproxy.accounts.stores import SignupFull
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.storage import full_disk, sqlite_migrations

schema_steps = partial(sqlite_migrations.steps, resources.files(__package__).joinpath("schema"), "state")
"""The migrations of the file: see sqlite_migrations.apply()."""

_GIVE_BACK_ITEM = (
    "UPDATE made_item SET n = n - 1 WHERE day = :day AND key = :key AND item = :item AND n > 0 RETURNING n"
)

_GIVE_BACK = "UPDATE made SET n = n - 1 WHERE key = ? AND day = ? AND n > 0 RETURNING n"

_SAVE = key_row.save(":{}")

_ENTER = """
INSERT INTO signup (key, contact, at) SELECT :key, :contact, :at
WHERE (SELECT count(*) FROM signup WHERE at >= :since) < :per_day
  AND (SELECT count(*) FROM signup WHERE contact = :contact) < :per_contact
RETURNING key
"""

_IS_FULL = "SELECT (SELECT count(*) FROM signup WHERE at >= ?) >= ?"


_NOT_OPEN = "the state is not open"

WRITE_SECONDS = 1.0
"""How long a count waits for another process's lock: a client waits, and the count can be made up for later.

"""

_PATIENT_SECONDS = 10.0
"""How long a change of a key waits: a person asked for it, and nothing makes up for it later."""

_READ_SECONDS = 5.0
"""When a read gives up: no lock can delay it, but a disk may."""


class SqliteState:
    """A KeyStore and a QuotaStore, plus a RateLimiter and EndedSessions.

    Reads and writes have a connection each (aiosqlite gives each a thread): in WAL mode a read never waits
    for a writer, unless it queues behind one in the same thread. Writes take turns before they go to their
    thread, so that a write that times out has not begun, and nothing is counted twice.

    Every method but close() raises StoreUnavailable if the file cannot be read or written in time.
    *lost*: see sqlite_migrations.apply().
    """

    def __init__(self, path: Path, lost: sqlite_migrations.Lost | None = None) -> None:
        self._path = path
        self._lost = lost
        self._reading: aiosqlite.Connection | None = None
        self._writing: aiosqlite.Connection | None = None
        self._turn = asyncio.Lock()
        self._drops = 0
        self._shut, self._damage = _NOT_OPEN, ""
        self.rates = SqlRateLimiter(self._all, self._write, SQLITE)
        self.sessions = SqlEndedSessions(self._all, self._write, SQLITE)
        self.now = SqliteQuotaNow(self._connect_here, self._mapped)

    @property
    def is_shut(self) -> bool:
        """Whether open() must succeed before anything else can."""
        return bool(self._shut)

    @property
    def damage(self) -> str:
        """What SQLite said of damaged pages that were met since open(), "" if none were."""
        return self._damage

    async def open(self) -> None:
        """Open the file, creating it and its tables if missing; may be retried. Closes what it had open.

        Raises StoreUnavailable: until it succeeds, all other methods fail at once with the same reason.
        """
        with self._mapped():
            await self._drop_all()
            try:
                opening = partial(sqlite_migrations.apply, self._path, schema_steps(), lost=self._lost)
                await asyncio.to_thread(opening)
            except sqlite3.Error as exc:
                await self.close()
                self._shut = str(exc)
                raise
        self._shut = self._damage = ""

    async def close(self) -> None:
        """Close the file; open() may follow."""
        self._shut = _NOT_OPEN
        await self._drop_all()

    async def _drop_all(self) -> None:
        self._drops += 1
        self.now.close()
        for connection in (self._reading, self._writing):
            await self._drop(connection)

    def _uri(self) -> str:
        """Say where the open file is."""
        if self._shut is _NOT_OPEN:
            raise RuntimeError(self._shut)
        if self._shut:
            raise StoreUnavailable(f"{self._path.name}: {full_disk.explained(self._path, self._shut)}")
        return sqlite_migrations.uri(self._path, "rw")

    def _connect_here(self, seconds: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._uri(), uri=True, timeout=seconds, isolation_level=None, check_same_thread=False
        )
        return sqlite_migrations.set_up(connection, "PRAGMA synchronous = NORMAL")

    async def _connect(self) -> aiosqlite.Connection:
        """Connect to the file that is open once it is done: it may have been replaced meanwhile."""
        while True:
            drops, uri = self._drops, self._uri()
            connection = await aiosqlite.connect(uri, uri=True, timeout=WRITE_SECONDS, isolation_level=None)
            try:
                await connection.execute("PRAGMA synchronous = NORMAL")
            except BaseException:  # given up, too
                await connection.close()
                raise
            if drops == self._drops:
                return connection
            await connection.close()

    async def _reader(self) -> aiosqlite.Connection:
        if self._reading is None:
            made = await self._connect()
            if self._reading is not None:  # another task was faster
                await made.close()
            else:
                self._reading = made
        return self._reading

    async def _writer(self) -> aiosqlite.Connection:
        """MUST only be called in turn."""
        if self._writing is None:
            self._writing = await self._connect()
        return self._writing

    async def _drop(self, connection: aiosqlite.Connection | None) -> None:
        """Close a failed connection, so that the next use opens the current file."""
        if connection is None:
            return
        self._reading = None if connection is self._reading else self._reading
        self._writing = None if connection is self._writing else self._writing
        with suppress(sqlite3.Error, ValueError):  # another task closed it first
            await connection.close()

    async def _all(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        """Run one query to completion, in one hop to the reader thread."""
        connection = None
        try:
            with self._mapped():
                async with asyncio.timeout(_READ_SECONDS):
                    connection = await self._reader()
                    return [tuple(row) for row in await connection.execute_fetchall(sql, values)]
        except TimeoutError:
            raise StoreUnavailable(f"{self._path.name}: no answer in {_READ_SECONDS:g} s") from None
        except StoreUnavailable:
            await self._drop(connection)
            raise

    async def _write(
        self, sql: str, values: Any = (), within: float = WRITE_SECONDS
    ) -> list[tuple[Any, ...]]:
        """Run one statement in its own transaction, unless others hold the lock for *within* seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while True:
            async with self._next_turn(deadline):
                try:
                    with self._mapped(but=sqlite3.SQLITE_BUSY):
                        connection = await self._writer()
                        return [tuple(row) for row in await connection.execute_fetchall(sql, values)]
                except sqlite3.OperationalError as exc:
                    if loop.time() >= deadline:
                        raise StoreUnavailable(
                            f"{self._path.name}: {full_disk.explained(self._path, exc)}"
                        ) from exc
                except StoreUnavailable:
                    await self._drop(self._writing)
                    raise

    @asynccontextmanager
    async def _next_turn(self, deadline: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(deadline):
                await self._turn.acquire()
        except TimeoutError:
            raise StoreUnavailable(f"{self._path.name}: another process keeps it locked") from None
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _mapped(self, but: int = -1) -> Iterator[None]:
        """Map errors of SQLite to StoreUnavailable, except those with the code *but*."""
        try:
            yield
        except ValueError as exc:  # aiosqlite: another task has just closed the connection
            raise StoreUnavailable(f"{self._path.name}: {full_disk.explained(self._path, exc)}") from exc
        except sqlite3.Error as exc:
            if getattr(exc, "sqlite_errorcode", None) == but:
                raise
            if sqlite_migrations.is_other_file(exc):
                self._shut = self._shut or str(exc)
            if sqlite_migrations.is_damage(exc):
                self._damage = str(exc)
            raise StoreUnavailable(f"{self._path.name}: {full_disk.explained(self._path, exc)}") from exc

    async def _first(self, sql: str, values: Any = ()) -> tuple[Any, ...] | None:
        rows = await self._all(sql, values)
        return rows[0] if rows else None

    async def version(self) -> int:
        """See KeyStore."""
        row = await self._first("SELECT version FROM key_version")
        return int(row[0]) if row else 0

    async def keys(self) -> list[Key]:
        """See KeyStore."""
        rows = await self._all(f"SELECT {key_row.COLUMNS} FROM key ORDER BY created_at, name")  # noqa: S608 - likewise
        return list(map(key_row.read, rows))

    async def save(self, key: Key) -> None:
        """See KeyStore."""
        await self._write(_SAVE, key_row.values(key), _PATIENT_SECONDS)

    async def enter(
        self, key: str, contact: str, now: float, since: float, per_day: int, per_contact: int
    ) -> SignupFull | None:
        """See KeyStore."""
        values = {
            "key": key, "contact": contact, "at": int(now), "since": int(since), "per_day": per_day,
            "per_contact": per_contact,
        }  # fmt: skip
        if await self._write(_ENTER, values, _PATIENT_SECONDS):
            return None
        row = await self._first(_IS_FULL, (int(since), per_day))
        return "day" if row and row[0] else "contact"

    async def leave(self, key: str) -> None:
        """See KeyStore."""
        await self._write("DELETE FROM signup WHERE key = ?", (key,), _PATIENT_SECONDS)

    async def secret(self, made: bytes) -> bytes:
        """See KeyStore."""
        query = "SELECT value FROM secret"
        if not (row := await self._first(query)):  # only the first start writes
            await self._write("INSERT OR IGNORE INTO secret VALUES (1, ?)", (made,), _PATIENT_SECONDS)
            row = await self._first(query)
        return bytes(row[0]) if row else made

    async def take(self, key: str, day: date, limit: int, item: str = "") -> int | None:
        """See QuotaStore."""
        if item:
            values = {"key": key, "day": day.isoformat(), "item": item, "limit": limit}
            return await self._count(key, day) if await self._write(TAKE_ITEM, values) else None
        rows = await self._write(TAKE, {"key": key, "day": day.isoformat(), "limit": limit})
        return int(rows[0][0]) if rows else None

    async def give_back(self, key: str, day: date, item: str = "") -> int:
        """See QuotaStore."""
        if item:
            await self._write(_GIVE_BACK_ITEM, {"key": key, "day": day.isoformat(), "item": item})
            return await self._count(key, day)
        rows = await self._write(_GIVE_BACK, (key, day.isoformat()))
        return int(rows[0][0]) if rows else 0

    async def _count(self, key: str, day: date) -> int:
        return (await self.made([key], day)).get(key, 0)

    async def made(self, keys: Sequence[str], day: date) -> dict[str, int]:
        """See QuotaStore."""
        sql = f"SELECT key, n FROM made WHERE day = ? AND key IN ({_marks(keys)})"  # noqa: S608 - only marks
        rows = await self._all(sql, (day.isoformat(), *keys))
        return {name: int(count) for name, count in rows}

    async def history(self, key: str, since: date) -> dict[date, int]:
        """See QuotaStore."""
        rows = await self._all(
            "SELECT day, n FROM made WHERE key = ? AND day >= ? ORDER BY day", (key, since.isoformat())
        )
        return {date.fromisoformat(day): int(count) for day, count in rows}

    async def made_by_all(self, day: date) -> int:
        """See QuotaStore."""
        row = await self._first("SELECT sum(n) FROM made WHERE day = ?", (day.isoformat(),))
        return int(row[0] or 0) if row else 0


def _marks(values: Iterable[str]) -> str:
    return ", ".join("?" for _ in values)
