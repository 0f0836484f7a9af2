"""The stores in PostgreSQL, and what follows the news of other nodes."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from coverproxy import log
from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.postgres import PostgresState
from coverproxy.accounts.postgres import schema_steps as state_steps
from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.postgres_leases import PostgresLeases
from coverproxy.config import Config
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.originals.postgres import PostgresCatalogue
from coverproxy.originals.postgres import schema_steps as catalogue_steps
from coverproxy.originals.postgres_changes import ChangeLog
from coverproxy.service.databases import CATALOGUE, SOURCES, STATE
from coverproxy.sources.postgres import PostgresSourceMemory
from coverproxy.sources.postgres import schema_steps as source_steps
from coverproxy.stats.metrics import Metrics
from coverproxy.stats.postgres import PostgresActivity
from coverproxy.storage import postgres_migrations
from coverproxy.storage.postgres_news import BOOKS, CONNECTED, KEYS, PostgresNews
from coverproxy.storage.postgres_pool import PostgresPool
from coverproxy.storage.postgres_tables import PostgresTables
from coverproxy.wiring.stores import Stores

_AGAIN_SECONDS = 0.3
"""Pause between attempts to follow changes while the database is away."""

_LOOK_SECONDS = 1.0
"""How often to look for changes while notifications do not arrive."""

_HOUR = 3600

_log = logging.getLogger(__name__)


def stores(config: Config, cache: DiskCache, priority: dict[str, int]) -> Stores:
    """Make the stores, without opening them or connecting."""
    store = config.store
    is_direct = store.listening == store.url  # another URL to listen at: there is a pooler in between
    pool = PostgresPool(store.url, StoreUnavailable, store.connections, prepares=is_direct)
    news = PostgresNews(config.store.listening)
    leases = PostgresLeases(pool)
    changes = ChangeLog(cache.layout.changes, cache.empty)
    catalogue = PostgresCatalogue(pool, news, changes, priority)
    return Stores(
        PostgresState(pool),
        catalogue,
        PostgresSourceMemory(pool, config.asking.absent_entries),
        PostgresActivity(pool),
        dict.fromkeys((STATE, CATALOGUE, SOURCES), pool.place),
        leases,
        partial(following, news, pool, leases, catalogue.forget_changes),
        lambda: news.fault and f"what they change is not heard: {news.fault}",
    )


class Follower:
    """Removes the derivatives of books that changed elsewhere, in a thread of its own.

    *drop* does it; *tidy* shortens their log, once an hour in which anything changed. While *is_deaf* says
    that no notices come, it looks every second: the database may answer where listening does not work.
    """

    def __init__(
        self, drop: Callable[[], object], tidy: Callable[[], object], is_deaf: Callable[[], bool]
    ) -> None:
        self._drop = drop
        self._tidy = tidy
        self._is_deaf = is_deaf
        self._tidied_at = time.monotonic()
        self._woken = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Have it look now."""
        self._woken.set()

    def stop(self) -> None:
        """End, once what it is at is done."""
        self._is_over = True
        self._woken.set()
        self._thread.join(5)

    def _run(self) -> None:
        again = _LOOK_SECONDS
        while True:
            is_woken = self._woken.wait(again)
            self._woken.clear()
            if self._is_over:
                return
            if is_woken or again != _LOOK_SECONDS or self._is_deaf():
                again = _LOOK_SECONDS if self._followed() else _AGAIN_SECONDS

    def _followed(self) -> bool:
        """Follow what changed; say whether that went well.

        If not, it is to be tried again, and not at the next connection only: the pool may still leave the
        server alone when a new connection has already woken us.
        """
        try:
            self._drop()
            if time.monotonic() - self._tidied_at > _HOUR:
                self._tidied_at = time.monotonic()
                self._tidy()
        except (StoreUnavailable, OSError) as exc:
            log.fault(_log, "changes of other nodes cannot be followed", exc)
            return False
        return True


@asynccontextmanager
async def following(
    news: PostgresNews,
    pool: PostgresPool,
    leases: PostgresLeases,
    tidy: Callable[[], object],
    accounts: Accounts,
    metrics: Metrics,
    drop: Callable[[], object],
) -> AsyncIterator[None]:
    """Act on what other nodes do: their keys are known here, and their changed books' covers removed here."""
    loop = asyncio.get_running_loop()
    follower = Follower(drop, tidy, lambda: bool(news.fault))

    def deaf(why: str) -> None:
        metrics.database_up.set(0)
        log.fault(_log, "what other nodes change is not heard", why, of="news")

    news.on_fault = deaf
    news.on(CONNECTED, pool.renew)  # else it may leave the server alone while what was missed waits
    news.on(CONNECTED, partial(metrics.database_up.set, 1))
    news.on(KEYS, partial(loop.call_soon_threadsafe, accounts.wake))
    news.on(BOOKS, follower.wake)
    follower.start()
    news.start()
    try:
        yield
    finally:
        await asyncio.to_thread(news.stop)
        await asyncio.to_thread(follower.stop)
        leases.close()


@contextmanager
def opened_database(url: str) -> Iterator[PostgresTables]:
    """Open a database as tables to copy, brought to its present schema. Raises StoreUnavailable."""
    pool = PostgresPool(url, StoreUnavailable)
    parts = {"state": state_steps(), "catalogue": catalogue_steps(), "sources": source_steps()}
    try:
        for part, taken in parts.items():
            postgres_migrations.apply(pool, part, taken)
        yield PostgresTables(pool)
    finally:
        pool.close()
