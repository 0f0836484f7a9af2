"""Keys and counts in SQLite: the contract, and exactness between processes."""

import asyncio
import multiprocessing
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from contracts import TODAY, EndedSessionsContract, KeyContract, QuotaContract, RateLimiterContract

from coverproxy.accounts.sql_rates import SqlRateLimiter
from coverproxy.accounts.sql_sessions import SqlEndedSessions
from coverproxy.accounts.sqlite import SqliteState
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import StoreUnavailable


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


class InThreads:
    """The store as a render thread uses it: what it takes is counted in the calling thread."""

    def __init__(self, state: SqliteState) -> None:
        self.now = state.now
        self.give_back, self.made, self.made_by_all = state.give_back, state.made, state.made_by_all
        self.history = state.history

    async def take(self, key: str, day: date, limit: int, item: str = "") -> int | None:
        """Take one in a thread; where others keep the lock for long, again."""
        while True:
            with suppress(StoreUnavailable):
                return await asyncio.to_thread(self.now.take, key, day, limit, item)


class TestQuotaNow(QuotaContract):
    """Counting in the calling thread keeps the same contract."""

    @pytest.fixture
    def quota(self, state: SqliteState) -> InThreads:
        """The store under test."""
        return InThreads(state)

    async def test_both_ways_share_one_count(self, state: SqliteState) -> None:
        """Of tasks and threads that race for three places, three get one."""
        both = [state.take("k", TODAY, 3) for _ in range(10)]
        both += [InThreads(state).take("k", TODAY, 3) for _ in range(10)]
        got = await asyncio.gather(*both)
        assert sorted(count for count in got if count) == [1, 2, 3]

    def test_a_thread_waits_for_a_moment_only(self, state: SqliteState, locked: sqlite3.Connection) -> None:
        """While another process writes, it fails long before a render would, and counts nothing later."""
        took = []
        for _ in range(3):  # the machine may be busy in two of them
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match="locked"):
                state.now.take("k", TODAY, 3)
            took.append(time.monotonic() - began)
        assert min(took) < 0.9
        locked.rollback()
        assert state.now.take("k", TODAY, 3) == 1


class TestRateLimiter(RateLimiterContract):
    """SQLite keeps the rate limiter's contract."""

    @pytest.fixture
    def rates(self, state: SqliteState) -> SqlRateLimiter:
        """The store under test."""
        return state.rates


class TestEndedSessions(EndedSessionsContract):
    """SQLite keeps the contract of ended sessions."""

    @pytest.fixture
    def sessions(self, state: SqliteState) -> SqlEndedSessions:
        """The store under test."""
        return state.sessions


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


def _take_books(path: Path, books: int, limit: int) -> int:
    async def take() -> int:
        store = SqliteState(path)
        await store.open()
        got = await asyncio.gather(*(store.take("k", TODAY, limit, f"isbn:{each}") for each in range(books)))
        await store.close()
        return sum(count is not None for count in got)

    return asyncio.run(take())


async def test_two_processes_count_books_exactly(tmp_path: Path) -> None:
    """Two processes take covers of the same 60 books with limit 40: the same 40 books pass in both."""
    path = tmp_path / "state.db"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        got = await asyncio.to_thread(pool.starmap, _take_books, [(path, 60, 40)] * 2)

    assert got == [40, 40]
    store = SqliteState(path)
    await store.open()
    assert await store.made(["k"], TODAY) == {"k": 40}
    await store.close()


async def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    """Using a store before open() is an error of ours, told clearly."""
    with pytest.raises(RuntimeError, match="not open"):
        await SqliteState(tmp_path / "state.db").version()


@pytest.fixture
def locked(state: SqliteState, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The file, with its write lock held by somebody else until rollback()."""
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


async def test_reads_do_not_wait_for_a_writer(state: SqliteState, locked: sqlite3.Connection) -> None:
    """While the write lock is held, and writes wait for it, every read answers."""
    writes = [asyncio.create_task(state.save(Key(f"{each}" * 26, "", 1))) for each in range(5)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(8):  # these wait for up to 10 s
        assert await state.version() == 1
        assert await state.keys() == []
        assert await state.made(["k"], TODAY) == {}
        assert await state.history("k", TODAY) == {}
        assert await state.made_by_all(TODAY) == 0
    assert not any(write.done() for write in writes)
    locked.rollback()
    await asyncio.gather(*writes)


async def test_writes_give_up_after_a_second_and_never_count_later(
    state: SqliteState, locked: sqlite3.Connection
) -> None:
    """However many wait, each says soon that it did not count, and then it never counts."""
    started = asyncio.get_running_loop().time()
    takes = [state.take("k", TODAY, 99) for _ in range(20)]
    paces = [state.rates.take("s", "k", 0.0, 1.0, 1) for _ in range(5)]
    got = await asyncio.gather(*takes, *paces, return_exceptions=True)

    assert asyncio.get_running_loop().time() - started < 15, "one after the other they would take 25 s"
    assert {type(each) for each in got} == {StoreUnavailable}
    locked.rollback()
    assert await state.take("k", TODAY, 99) == 1


async def test_a_key_is_saved_once_the_lock_is_free(state: SqliteState, locked: sqlite3.Connection) -> None:
    """A change of a key waits for longer than a count does, as it cannot be made up for."""
    saving = asyncio.create_task(state.save(Key("k" * 26, "", 1)))
    await asyncio.sleep(2.2)
    locked.rollback()
    await saving
    assert [key.name for key in await state.keys()] == ["k" * 26]
