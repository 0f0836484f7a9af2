"""Keys and counts in SQLite: the contract, and exactness between processes."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from contracts import TODAY, KeyContract, QuotaContract, RateLimiterContract

from coverproxy.accounts.sqlite import SqliteState
from coverproxy.accounts.sqlite_rates import SqliteRateLimiter


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[SqliteState]:
    """A real file."""
    store = SqliteState(tmp_path / "state.db")
    await store.open()
    yield store
    await store.close()


class TestQuota(QuotaContract):
    """SQLite keeps the quota's contract."""

    @pytest.fixture
    def quota(self, state: SqliteState) -> SqliteState:
        """The store under test."""
        return state


class TestRateLimiter(RateLimiterContract):
    """SQLite keeps the rate limiter's contract."""

    @pytest.fixture
    def rates(self, state: SqliteState) -> SqliteRateLimiter:
        """The store under test."""
        return state.rates


class TestKeys(KeyContract):
    """SQLite keeps the keys' contract."""

    @pytest.fixture
    def keys(self, state: SqliteState) -> SqliteState:
        """The store under test."""
        return state


def _take_many(path: Path, takes: int, limit: int) -> int:
    async def take() -> int:
        store = SqliteState(path)
        await store.open()
        got = await asyncio.gather(*(store.take("k", TODAY, limit) for _ in range(takes)))
        await store.close()
        return sum(count is not None for count in got)

    return asyncio.run(take())


async def test_four_processes_share_one_limit_exactly(tmp_path: Path) -> None:
    """Four processes try 100 takes each on one key with limit 100, on a file none has made: 100 pass."""
    path = tmp_path / "state.db"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        got = await asyncio.to_thread(pool.starmap, _take_many, [(path, 100, 100)] * 4)

    assert sum(got) == 100
    store = SqliteState(path)
    await store.open()
    assert await store.made(["k"], TODAY) == {"k": 100}
    await store.close()


async def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    """Using a store before open() is an error of ours, told clearly."""
    with pytest.raises(RuntimeError, match="not open"):
        await SqliteState(tmp_path / "state.db").version()
