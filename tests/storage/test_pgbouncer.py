"""Through PgBouncer in transaction mode, where no two transactions need have the same server connection."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts import TODAY
from contracts_catalogue import BOOK, OTHER, THIRD, original
from pgbouncer import urls
from postgres_server import postgres

from coverproxy.accounts.postgres import PostgresState
from coverproxy.concurrency.postgres_leases import PostgresLeases
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.originals.postgres import PostgresCatalogue
from coverproxy.originals.postgres_changes import ChangeLog
from coverproxy.storage.postgres_news import KEYS, PostgresNews
from coverproxy.storage.postgres_pool import PostgresPool

__all__ = ["postgres", "urls"]


@pytest.fixture
def pool(urls: tuple[str, str]) -> Iterator[PostgresPool]:
    """More connections than PgBouncer has to the server."""
    made = PostgresPool(urls[0], StoreUnavailable, 8)
    yield made
    made.close()


async def test_counts_are_exact_through_it(pool: PostgresPool) -> None:
    """Quota, by cover and by book, and pace: as many pass as may."""
    state = PostgresState(pool)
    await state.open()

    got = await asyncio.gather(*(state.take("k", TODAY, 7) for _ in range(40)))
    assert sorted(filter(None, got)) == list(range(1, 8))
    books = await asyncio.gather(*(state.take("k", TODAY, 9, item) for item in "aabbc"))
    assert sorted({one for one in books if one is not None}) == [8, 9]  # two of three, whichever came first
    counted = {item for item, one in zip("aabbc", books, strict=True) if one is not None}
    assert len(counted) == 2
    waits = await asyncio.gather(*(state.rates.take("s", "k", 1e9, 1.0, 5) for _ in range(20)))
    assert waits.count(0.0) == 5
    await state.close()


def test_transactions_are_whole_through_it(pool: PostgresPool, urls: tuple[str, str], tmp_path: Path) -> None:
    """The catalogue's lock, COPY and the log of changes are those of one transaction."""
    changes = ChangeLog(tmp_path / "changes.json", lambda: None)
    catalogue = PostgresCatalogue(pool, PostgresNews(urls[1]), changes, {})
    catalogue.open()
    with catalogue.writing() as tables:
        tables.add(original(1))
        tables.mark_stale(BOOK)

    assert catalogue.add_new([original(2), original(3, identifier=OTHER)]) == 2
    assert catalogue.totals() == (3, 2)
    assert catalogue.stale(10) == [BOOK]
    many = [original(number, identifier=THIRD) for number in range(1500)]
    assert catalogue.add_new(many) == 1500  # so many that the server is told of it
    assert pool.read("SELECT reltuples FROM pg_class WHERE relname = 'original'")[0][0] == 1503


async def test_leases_hold_through_it(pool: PostgresPool) -> None:
    """Of four that want a lease at once each has it alone."""
    leases, order = PostgresLeases(pool), list[int]()

    async def make(number: int) -> None:
        async with leases.hold("spec"):
            order.append(number)
            await asyncio.sleep(0.01)
            order.append(number)

    await asyncio.gather(*(make(number) for number in range(4)))
    leases.close()
    assert order[::2] == order[1::2]


async def test_notices_come_by_the_other_way(pool: PostgresPool, urls: tuple[str, str]) -> None:
    """A key saved through it is heard of by who listens at the server itself."""
    state, news, heard = PostgresState(pool), PostgresNews(urls[1]), threading.Event()
    await state.open()
    news.start()
    assert await asyncio.to_thread(news.wait, 10)
    news.on(KEYS, heard.set)
    await state.save(Key("k" * 26, "", 1))

    assert await asyncio.to_thread(heard.wait, 5)
    await asyncio.to_thread(news.stop)
    await state.close()
