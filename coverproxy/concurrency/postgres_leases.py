"""Leases in PostgreSQL: a row per cover that is being made, which ends by itself when its holder dies."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import resources
from typing import TypeVar
from uuid import uuid4

from coverproxy.concurrency.leases import Lease
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.storage import postgres_migrations
from coverproxy.storage.postgres_pool import PostgresPool

T = TypeVar("T")

schema_steps = partial(postgres_migrations.steps, resources.files(__package__), "postgres")
"""What brings the tables to their present version: see postgres_migrations.apply()."""

LEASE_SECONDS = 4.0
"""How long a lease outlives its holder. Renewed three times in that time."""

PAID_SECONDS = 60.0
"""For how long other nodes make a cover for their own disks at no cost, after one node made it."""

_WAIT_SECONDS = 30.0
"""How long a flight waits at most: a cover made twice is better than none."""

_SWEEP_EVERY = 256
_THREADS = 2

_ACQUIRE = """
INSERT INTO making AS m (name, holder, until)
VALUES (%(name)s, %(holder)s, clock_timestamp() + make_interval(secs => %(lease)s))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE m.until <= clock_timestamp()
RETURNING coalesce(made_at > clock_timestamp() - make_interval(secs => %(paid)s), false)
"""
_RENEW = """
UPDATE making SET until = clock_timestamp() + make_interval(secs => %s) WHERE holder = %s AND name = ANY(%s)
"""
_RELEASE = "UPDATE making SET until = clock_timestamp() WHERE name = %s AND holder = %s"
_RELEASE_MADE = (
    "UPDATE making SET until = clock_timestamp(), made_at = clock_timestamp() WHERE name = %s AND holder = %s"
)
_SWEEP = "DELETE FROM making WHERE until < clock_timestamp() - make_interval(secs => %s)"


class PostgresLeases:
    """Leases by the server's clock, so that nodes' own need not agree.

    Rows, and no advisory locks: a session's lock does not work through PgBouncer, and a transaction's would
    keep a connection for as long as a cover takes. Waiters look again in growing steps, up to 0.25 s.
    """

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool
        self._process = uuid4().hex
        self._numbers = itertools.count()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="lease")
        self._opening = threading.Lock()
        self._is_open = False
        self._held: dict[str, str] = {}
        self._renewing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[Lease]:
        """See Leases."""
        holder = f"{self._process}-{next(self._numbers)}"
        lease = Lease(is_paid=await self._acquire(name, holder))
        self._held[name] = holder
        self._renew_meanwhile()
        try:
            yield lease
        finally:
            del self._held[name]
            sql = _RELEASE_MADE if lease.is_made else _RELEASE
            with suppress(StoreUnavailable):  # then it ends by itself
                await asyncio.shield(self._off_loop(partial(self._pool.write, sql, (name, holder))))

    def close(self) -> None:
        """End its threads."""
        if self._renewing is not None:
            self._renewing.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _acquire(self, name: str, holder: str) -> bool:
        """Take the lease; say whether the cover was paid for a moment ago."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + _WAIT_SECONDS, 0.02
        values = {"name": name, "holder": holder, "lease": LEASE_SECONDS, "paid": PAID_SECONDS}
        while not (rows := await self._off_loop(partial(self._try, values))):
            if loop.time() > deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        return bool(rows[0][0])

    def _try(self, values: dict[str, object]) -> list[tuple[object, ...]]:
        with self._opening:
            if not self._is_open:
                postgres_migrations.apply(self._pool, "making", schema_steps())
                self._is_open = True
        if next(self._numbers) % _SWEEP_EVERY == 0:
            self._pool.write(_SWEEP, (PAID_SECONDS,))
        return self._pool.write(_ACQUIRE, values)

    def _renew_meanwhile(self) -> None:
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.ensure_future(self._renew())

    async def _renew(self) -> None:
        """Renew all held leases, for as long as there are any."""
        while self._held:
            await asyncio.sleep(LEASE_SECONDS / 3)
            for name, holder in list(self._held.items()):
                with suppress(StoreUnavailable):  # what it is for goes on; another node may make it too
                    values = (LEASE_SECONDS, holder, [name])
                    await self._off_loop(partial(self._pool.write, _RENEW, values))

    async def _off_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
