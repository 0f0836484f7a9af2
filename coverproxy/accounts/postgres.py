"""Keys and counts in PostgreSQL, exact between all nodes."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from importlib import resources
from typing import Any, TypeVar

from coverproxy.accounts import key_row
from coverproxy.accounts.sql_rates import POSTGRES, SqlRateLimiter
from coverproxy.accounts.sql_sessions import SqlEndedSessions
from coverproxy.accounts.stores import SignupFull
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.storage import postgres_migrations
from coverproxy.storage.postgres_pool import PostgresPool
from coverproxy.storage.statement import Run

T = TypeVar("T")

schema_steps = partial(postgres_migrations.steps, resources.files(__package__).joinpath("schema"), "postgres")
"""What brings the tables to their present version: see postgres_migrations.apply()."""

_THREADS = 4
"""Threads that wait for the server: the event loop never does."""

_LOCKED_FOR_SIGNUP = 0x636F7603
"""The advisory lock for key requests: two that race for the last place see each other."""

_TAKE = """
INSERT INTO made (key, day, n) SELECT %(key)s, %(day)s, 1 WHERE %(limit)s > 0
ON CONFLICT (key, day) DO UPDATE SET n = made.n + 1 WHERE made.n < %(limit)s
RETURNING n
"""  # a plain VALUES would let a limit of 0 make one

_GIVE_BACK = "UPDATE made SET n = n - 1 WHERE key = %s AND day = %s AND n > 0 RETURNING n"

_SAVE = key_row.save("%({})s")

_ENTER = """
INSERT INTO signup (key, contact, at) SELECT %(key)s, %(contact)s, %(at)s
WHERE (SELECT count(*) FROM signup WHERE at >= %(since)s) < %(per_day)s
  AND (SELECT count(*) FROM signup WHERE contact = %(contact)s) < %(per_contact)s
RETURNING key
"""

_IS_FULL = "SELECT (SELECT count(*) FROM signup WHERE at >= %s) >= %s"


class PostgresState:
    """A KeyStore and a QuotaStore, with a RateLimiter and EndedSessions beside.

    Every method but close() raises StoreUnavailable where the server does not do it in time: each statement
    goes to a thread of its own and is given up there, so nothing is counted once it was told to have failed -
    unless the answer alone was lost.
    """

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool
        self._threads: ThreadPoolExecutor | None = None
        self._is_open = False
        self.rates = SqlRateLimiter(self._read, self._write, POSTGRES)
        self.sessions = SqlEndedSessions(self._read, self._write, POSTGRES)

    @property
    def is_shut(self) -> bool:
        """Whether open() must succeed before anything else can."""
        return not self._is_open

    now = None
    """A render thread must not wait for the server: that can take as long as the cover."""

    damage = ""
    """A server reports damage itself."""

    async def open(self) -> None:
        """Bring the tables to their present version; may be tried again. Raises StoreUnavailable."""
        await self._off_loop(partial(postgres_migrations.apply, self._pool, "state", schema_steps()))
        self._is_open = True

    async def close(self) -> None:
        """Close it; open() may follow."""
        self._is_open = False
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        await asyncio.to_thread(self._pool.close)

    async def _off_loop(self, work: Callable[[], T]) -> T:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="keys")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _read(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        return await self._write(sql, values)

    async def _write(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        if not self._is_open:
            raise StoreUnavailable(f"{self._pool.place}: {self._pool.away or 'it is not open'}")
        return await self._off_loop(partial(self._pool.write, sql, values))

    async def version(self) -> int:
        """See KeyStore."""
        rows = await self._read("SELECT version FROM key_version")
        return int(rows[0][0]) if rows else 0

    async def keys(self) -> list[Key]:
        """See KeyStore."""
        rows = await self._read(f'SELECT {key_row.COLUMNS} FROM key ORDER BY created_at, name COLLATE "C"')  # noqa: S608 - constants
        return list(map(key_row.read, rows))

    async def save(self, key: Key) -> None:
        """See KeyStore."""
        await self._write(_SAVE, key_row.values(key))

    async def enter(
        self, key: str, contact: str, now: float, since: float, per_day: int, per_contact: int
    ) -> SignupFull | None:
        """See KeyStore."""
        values = {
            "key": key, "contact": contact, "at": int(now), "since": int(since), "per_day": per_day,
            "per_contact": per_contact,
        }  # fmt: skip

        def enter() -> SignupFull | None:
            with self._pool.transaction(_LOCKED_FOR_SIGNUP) as run:
                return _entered(run, values)

        return await self._off_loop(enter)

    async def leave(self, key: str) -> None:
        """See KeyStore."""
        await self._write("DELETE FROM signup WHERE key = %s", (key,))

    async def secret(self, made: bytes) -> bytes:
        """See KeyStore."""
        query = "SELECT value FROM secret"
        if not (rows := await self._read(query)):  # only the first start writes
            await self._write("INSERT INTO secret (value) VALUES (%s) ON CONFLICT DO NOTHING", (made,))
            rows = await self._read(query)
        return bytes(rows[0][0]) if rows else made

    async def take(self, key: str, day: date, limit: int, item: str = "") -> int | None:
        """See QuotaStore."""
        if item:
            rows = await self._write("SELECT coverproxy_take_item(%s, %s, %s, %s)", (key, day, item, limit))
            return None if rows[0][0] is None else int(rows[0][0])
        rows = await self._write(_TAKE, {"key": key, "day": day, "limit": limit})
        return int(rows[0][0]) if rows else None

    async def give_back(self, key: str, day: date, item: str = "") -> int:
        """See QuotaStore."""
        if item:
            rows = await self._write("SELECT coverproxy_give_back_item(%s, %s, %s)", (key, day, item))
            return int(rows[0][0])
        rows = await self._write(_GIVE_BACK, (key, day))
        return int(rows[0][0]) if rows else 0

    async def made(self, keys: Sequence[str], day: date) -> dict[str, int]:
        """See QuotaStore."""
        rows = await self._read("SELECT key, n FROM made WHERE day = %s AND key = ANY(%s)", (day, list(keys)))
        return {name: int(count) for name, count in rows}

    async def history(self, key: str, since: date) -> dict[date, int]:
        """See QuotaStore."""
        rows = await self._read(
            "SELECT day, n FROM made WHERE key = %s AND day >= %s ORDER BY day", (key, since)
        )
        return {day: int(count) for day, count in rows}

    async def made_by_all(self, day: date) -> int:
        """See QuotaStore."""
        rows = await self._read("SELECT sum(n) FROM made WHERE day = %s", (day,))
        return int(rows[0][0] or 0)


def _entered(run: Run, values: dict[str, Any]) -> SignupFull | None:
    if run(_ENTER, values):
        return None
    return "day" if run(_IS_FULL, (values["since"], values["per_day"]))[0][0] else "contact"
