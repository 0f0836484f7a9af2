"""PostgreSQL keeps every store's contract, as SQLite does; and what it promises beside, to several nodes."""

import asyncio
import multiprocessing
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from contracts import TODAY, EndedSessionsContract, KeyContract, QuotaContract, RateLimiterContract
from contracts_activity import ActivityContract, DownloadsContract, HistoryContract
from contracts_aliases import AliasContract
from contracts_catalogue import (
    BOOK,
    OTHER,
    PRIORITY,
    THIRD,
    CatalogueContract,
    DecisionContract,
    ProvenanceContract,
    original,
)
from contracts_changes import ChangeFeedContract
from contracts_feeds import CorruptContract, EditionContract, FeedContract
from contracts_memory import ROOM, SourceMemoryContract
from contracts_notices import NoticeContract
from contracts_purges import PurgeContract
from contracts_reports import ReportContract
from contracts_titles import TitleContract
from contracts_turns import TurnContract
from postgres_server import Cluster, database, emptied, postgres

from coverproxy.accounts.postgres import PostgresState
from coverproxy.accounts.postgres import schema_steps as state_steps
from coverproxy.accounts.sql_rates import SqlRateLimiter
from coverproxy.accounts.sql_sessions import SqlEndedSessions
from coverproxy.concurrency.postgres_leases import LEASE_SECONDS, PostgresLeases
from coverproxy.concurrency.postgres_leases import schema_steps as making_steps
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.originals.postgres import CHANGES_DAYS, PostgresCatalogue
from coverproxy.originals.postgres import schema_steps as catalogue_steps
from coverproxy.originals.postgres_changes import ChangeLog
from coverproxy.sources.postgres import PostgresSourceMemory
from coverproxy.sources.postgres import schema_steps as source_steps
from coverproxy.stats.base import RefusalRow
from coverproxy.stats.postgres import PostgresActivity
from coverproxy.storage import postgres_migrations
from coverproxy.storage.postgres_news import PostgresNews
from coverproxy.storage.postgres_pool import PostgresPool, place

__all__ = ["database", "postgres"]


@pytest.fixture
def pool(database: str) -> Iterator[PostgresPool]:
    """Connections to an empty database."""
    made = PostgresPool(emptied(database), StoreUnavailable)
    yield made
    made.close()


@pytest.fixture
async def state(pool: PostgresPool) -> AsyncIterator[PostgresState]:
    """Keys and counts."""
    store = PostgresState(pool)
    await store.open()
    yield store
    await store.close()


class TestQuota(QuotaContract):
    """PostgreSQL keeps the quota's contract."""

    @pytest.fixture
    def quota(self, state: PostgresState) -> PostgresState:
        """The store under test."""
        return state


class TestRateLimiter(RateLimiterContract):
    """PostgreSQL keeps the rate limiter's contract."""

    @pytest.fixture
    def rates(self, state: PostgresState) -> SqlRateLimiter:
        """The store under test."""
        return state.rates


class TestEndedSessions(EndedSessionsContract):
    """PostgreSQL keeps the contract of ended sessions."""

    @pytest.fixture
    def sessions(self, state: PostgresState) -> SqlEndedSessions:
        """The store under test."""
        return state.sessions


class TestKeys(KeyContract):
    """PostgreSQL keeps the keys' contract."""

    @pytest.fixture
    def keys(self, state: PostgresState) -> PostgresState:
        """The store under test."""
        return state


class TestSourceMemory(SourceMemoryContract):
    """PostgreSQL keeps the contract of what is remembered of sources."""

    @pytest.fixture
    def memory(self, pool: PostgresPool) -> PostgresSourceMemory:
        """The memory under test."""
        opened = PostgresSourceMemory(pool, ROOM)
        opened.open()
        return opened

    @pytest.fixture
    def elsewhere(self, database: str, memory: PostgresSourceMemory) -> Iterator[PostgresSourceMemory]:
        """The same memory, as another node has it open."""
        opened = PostgresSourceMemory(PostgresPool(database, StoreUnavailable), ROOM)
        opened.open()
        yield opened
        opened.close()


@pytest.fixture
def notes(pool: PostgresPool, state: PostgresState) -> PostgresActivity:
    """Activity and history."""
    return PostgresActivity(pool)


class TestActivity(ActivityContract):
    """PostgreSQL keeps the contract of what is noted of accounts."""

    @pytest.fixture
    def notes_elsewhere(self, notes: PostgresActivity, database: str) -> Iterator[PostgresActivity]:
        """The same tables, as another node has them open."""
        other = PostgresPool(database, StoreUnavailable)
        yield PostgresActivity(other)
        other.close()


class TestHistory(HistoryContract):
    """PostgreSQL keeps the contract of samples."""

    @pytest.fixture
    def samples(self, notes: PostgresActivity) -> PostgresActivity:
        """The store under test."""
        return notes


class TestDownloads(DownloadsContract):
    """PostgreSQL keeps the contract of downloads."""

    @pytest.fixture
    def downloads(self, notes: PostgresActivity) -> PostgresActivity:
        """The store under test."""
        return notes


Node = Callable[[str], PostgresCatalogue]


@pytest.fixture
def node(database: str, tmp_path: Path) -> Iterator[Node]:
    """A function that opens the catalogue as the node of a name does, with a cache folder of its own."""
    emptied(database)
    closing: list[Callable[[], None]] = []

    def opened(name: str) -> PostgresCatalogue:
        (tmp_path / name).mkdir()
        news = PostgresNews(database)
        emptying = (tmp_path / name / "emptied").touch
        changes = ChangeLog(tmp_path / name / "changes.json", emptying)
        catalogue = PostgresCatalogue(PostgresPool(database, StoreUnavailable), news, changes, PRIORITY)
        catalogue.open()
        news.start()
        assert news.wait(60)
        closing.extend([catalogue.close, news.stop])
        return catalogue

    yield opened
    for close in closing:
        close()


@pytest.fixture
def catalogue(node: Node) -> PostgresCatalogue:
    """An empty catalogue, opened, in which the publisher's covers are preferred."""
    return node("here")


class TestCatalogue(CatalogueContract):
    """PostgreSQL keeps the catalogue's contract."""


class TestDecisions(DecisionContract):
    """PostgreSQL keeps what people decided."""


class TestAliases(AliasContract):
    """PostgreSQL keeps which identifiers name one item."""


class TestFeeds(FeedContract):
    """PostgreSQL keeps what is remembered of feeds."""


class TestCorrupt(CorruptContract):
    """What is corrupt is listed."""


class TestReports(ReportContract):
    """PostgreSQL keeps what readers report."""


class TestNotices(NoticeContract):
    """PostgreSQL keeps what people are told, and tells each once."""


class TestChangeFeed(ChangeFeedContract):
    """PostgreSQL keeps what programs read on from."""


class TestPurges(PurgeContract):
    """Purges in this catalogue."""


class TestTurns(TurnContract):
    """Turns in this catalogue."""


class TestTitles(TitleContract):
    """Titles in this catalogue."""


class TestEditions(EditionContract):
    """PostgreSQL keeps which items are editions of each other."""


class TestProvenance(ProvenanceContract):
    """PostgreSQL keeps the contract of what sources gave."""


def _take_many(url: str, takes: int, limit: int) -> int:
    async def take() -> int:
        store = PostgresState(PostgresPool(url, StoreUnavailable))
        await store.open()
        got = await asyncio.gather(*(store.take("k", TODAY, limit) for _ in range(takes)))
        await store.close()
        return sum(count is not None for count in got)

    return asyncio.run(take())


async def test_processes_share_one_limit_exactly(postgres: object, database: str) -> None:
    """Two processes try 200 takes each on a key with limit 250, of a database none has opened: 250 pass."""
    url = postgres.new_database()  # type: ignore[attr-defined]
    with multiprocessing.get_context("spawn").Pool(2) as processes:
        got = await asyncio.to_thread(processes.starmap, _take_many, [(url, 200, 250)] * 2)

    assert sum(got) == 250
    store = PostgresState(PostgresPool(url, StoreUnavailable))
    await store.open()
    assert await store.made(["k"], TODAY) == {"k": 250}
    await store.close()


def test_what_one_node_writes_another_hears(node: Node) -> None:
    """A write on one node gives another node's change() another number, and is no news to nobody else."""
    here, there = node("a"), node("b")
    before = there.change()
    assert there.change() == before
    here.add(original(1))
    deadline = threading.Event()
    for _ in range(100):
        if there.change() != before or deadline.wait(0.05):
            break
    assert there.change() != before


def test_each_node_removes_its_own(node: Node, tmp_path: Path) -> None:
    """A changed book waits on every node until that node has dealt with it, also over a restart of it."""
    here, there = node("a"), node("b")
    for book in (BOOK, OTHER):
        here.mark_stale(book)
    assert here.stale(10) == there.stale(10) == [BOOK, OTHER]
    here.unmark_stale([BOOK, OTHER])
    there.unmark_stale([BOOK])
    here.mark_stale(THIRD)

    assert here.stale(10) == [THIRD]
    again = ChangeLog(tmp_path / "b" / "changes.json", lambda: None)
    assert again.waiting(there._read, 10) == [(1, OTHER.value), (1, THIRD.value)]
    assert not (tmp_path / "a" / "emptied").exists()


def test_a_node_that_was_away_for_too_long_starts_empty(
    node: Node, pool: PostgresPool, tmp_path: Path
) -> None:
    """Where the log no longer reaches back to what a node has seen, all its derivatives go, once."""
    here, there = node("a"), node("b")
    here.mark_stale(BOOK)
    assert there.stale(10) == [BOOK]
    there.unmark_stale([BOOK])
    here.mark_stale(OTHER)
    pool.write("UPDATE change SET at = now() - make_interval(days => %s, hours => 1)", (CHANGES_DAYS,))
    here.forget_changes()
    here.forget_changes()

    assert there.stale(10) == []
    assert (tmp_path / "b" / "emptied").exists()
    (tmp_path / "b" / "emptied").unlink()
    here.mark_stale(THIRD)
    assert there.stale(10) == [THIRD]
    assert not (tmp_path / "b" / "emptied").exists()


class Maker:
    """A node that makes a cover of a common name, slowly, and notes that it did."""

    def __init__(self, url: str, made: list[str]) -> None:
        self.pool = PostgresPool(url, StoreUnavailable)
        self.leases = PostgresLeases(self.pool)
        self.made = made

    async def make(self, name: str = "spec") -> bool:
        """Make it unless another has; say whether it was paid for already."""
        async with self.leases.hold(name) as lease:
            if name not in self.made:
                await asyncio.sleep(0.05)
                self.made.append(name)
                lease.is_made = True
            return lease.is_paid


@pytest.fixture
def makers(database: str) -> Iterator[list[Maker]]:
    """Four nodes that see what each other made, as with a second tier of derivatives."""
    made: list[str] = []
    nodes = [Maker(emptied(database), made) for _ in range(4)]
    yield nodes
    for each in nodes:
        each.leases.close()
        each.pool.close()


async def test_one_of_all_nodes_makes_a_cover(makers: list[Maker]) -> None:
    """Four nodes asked three times each at once for one cold cover make it once, and pay for it once."""
    paid = await asyncio.gather(*(each.make() for each in makers for _ in range(3)))

    assert makers[0].made == ["spec"]
    assert paid.count(False) == 1
    assert await makers[1].make("another") is False


async def test_a_failure_frees_the_lease_unpaid(makers: list[Maker]) -> None:
    """After one that failed the next makes it at once, and it is not free."""

    async def fail() -> None:
        async with makers[0].leases.hold("spec"):
            raise RuntimeError("no such picture")

    with pytest.raises(RuntimeError):
        await fail()
    async with asyncio.timeout(30):
        assert await makers[1].make() is False


async def test_a_dead_node_frees_its_covers(makers: list[Maker], pool: PostgresPool) -> None:
    """A lease is renewed while its holder lives, however long it takes; of a dead one it ends in seconds."""
    async with makers[0].leases.hold("spec"):
        await asyncio.sleep(LEASE_SECONDS / 3 + 0.5)
        (left,) = pool.read("SELECT extract(epoch FROM until - clock_timestamp()) FROM making")[0]
        assert left > LEASE_SECONDS / 2
    with pool.lent() as connection:  # as a process writes it that is killed then
        connection.execute("UPDATE making SET holder = 'dead', until = clock_timestamp() + interval '1.5 s'")
    started = asyncio.get_running_loop().time()
    await makers[1].make()
    assert asyncio.get_running_loop().time() - started < LEASE_SECONDS


def test_a_later_schema_is_used_as_it_is(catalogue: PostgresCatalogue, pool: PostgresPool) -> None:
    """A node of the version before goes on with tables that a newer one has added to, and steps not back."""
    newer = [*catalogue_steps(), "ALTER TABLE original ADD COLUMN mood text NOT NULL DEFAULT 'calm'"]
    assert postgres_migrations.apply(pool, "catalogue", newer) == len(newer)
    catalogue.open()
    catalogue.add(original(1))

    assert catalogue.find(BOOK) == [original(1)]
    assert postgres_migrations.version_of(pool, "catalogue") == len(newer)
    pool.write("ALTER TABLE original DROP COLUMN mood")
    pool.write(
        "UPDATE coverproxy_schema SET version = %s WHERE part = 'catalogue'", (len(catalogue_steps()),)
    )


def test_printed_music_that_was_an_isbn_is_found_as_ismn(postgres: Cluster) -> None:
    """Originals of 9790… that an earlier version entered as an ISBN are the ISMN's, as with SQLite."""
    url, steps, number = postgres.new_database(), catalogue_steps(), "9790260000438"
    pool = PostgresPool(url, StoreUnavailable, prepares=True)
    postgres_migrations.apply(pool, "catalogue", steps[:11])
    pool.write(
        "INSERT INTO original (scheme, value, digest, loader, width, height, bytes, date, source, added)"
        " VALUES (1, %s, %s, 'jpeg', 200, 300, 20000, 1217808000, '', 1)",
        (number, bytes(16)),
    )
    postgres_migrations.apply(pool, "catalogue", steps)

    assert pool.read("SELECT * FROM alias") == [(4, number, 1, number)]
    pool.close()


TAKES_AWAY = re.compile(
    r"\bDROP\b(?! TRIGGER| FUNCTION)|\bRENAME\b|\bTYPE\b|SET NOT NULL|ADD COLUMN (?!.*DEFAULT)[^;]*NOT NULL",
    re.IGNORECASE,
)
"""What a node of the version before does not survive."""


@pytest.mark.parametrize("steps", [catalogue_steps, state_steps, source_steps, making_steps])
def test_steps_only_add(steps: Callable[[], list[str]]) -> None:
    """No later step takes anything away: nodes are upgraded one by one, and the rest go on meanwhile."""
    for number, step in enumerate(steps()[1:], start=2):
        plain = re.sub(r"--.*", "", step)
        assert not TAKES_AWAY.search(plain), f"step {number}: {plain}"


@pytest.mark.parametrize(
    ("step", "is_fit"),
    [
        ("ALTER TABLE key ADD COLUMN mood text NOT NULL DEFAULT ''", True),
        ("CREATE INDEX a ON key (label); ALTER TABLE key ADD COLUMN b text;", True),
        ("ALTER TABLE key ADD COLUMN mood text NOT NULL", False),
        ("ALTER TABLE key DROP COLUMN label", False),
        ("ALTER TABLE key ALTER COLUMN label TYPE bytea", False),
        ("ALTER TABLE key RENAME TO keys", False),
    ],
)
def test_what_takes_away_is_seen(step: str, is_fit: bool) -> None:
    """The rule above finds what it is for."""
    assert (TAKES_AWAY.search(step) is None) == is_fit


def test_a_step_that_fails_leaves_nothing(pool: PostgresPool) -> None:
    """Of steps of which one fails none is taken, and the error says why."""
    with pytest.raises(StoreUnavailable, match="no_such_table"):
        postgres_migrations.apply(pool, "odd", ["CREATE TABLE odd (n integer)", "DROP TABLE no_such_table"])
    assert postgres_migrations.version_of(pool, "odd") == 0
    assert pool.read("SELECT to_regclass('odd')") == [(None,)]


def test_steps_behind_a_lock_say_what_they_wait_for(
    pool: PostgresPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While another node migrates, one line says so; they give up in time, and go through afterwards."""
    monkeypatch.setattr(postgres_migrations, "_TELL_SECONDS", 0.1)
    monkeypatch.setattr(postgres_migrations, "LOCK_SECONDS", 0.2)
    steps = ["CREATE TABLE slow (n integer)"]
    with (
        pool.transaction(postgres_migrations.LOCKED_FOR_SCHEMA),
        pytest.raises(StoreUnavailable, match="lock timeout"),
    ):
        postgres_migrations.apply(pool, "slow", steps)
    (said,) = [each.getMessage() for each in caplog.records]
    assert said.startswith(f"waiting for others that lock the tables for slow in {pool.place}")
    assert postgres_migrations.apply(pool, "slow", steps) == 1
    assert len(caplog.records) == 1
    pool.write("DROP TABLE slow")
    pool.write("DELETE FROM coverproxy_schema WHERE part = 'slow'")


def test_nul_is_written_as_what_stands_for_it(notes: PostgresActivity) -> None:
    """What a client sent with NUL in it is kept all the same: PostgreSQL has no such character."""
    notes.add({}, [RefusalRow("a", 1, "invalid", "x\0y")], 1)
    assert notes.refused("a") == [RefusalRow("a", 1, "invalid", "x\ufffdy")]


def test_a_place_tells_no_password() -> None:
    """Where a database is can be logged: neither user nor password are in it."""
    assert place("postgresql://anna:secret@db.example:5433/covers?sslmode=require") == (
        "postgresql://db.example:5433/covers"
    )
