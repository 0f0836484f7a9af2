"""What the catalogue promises: the best original first, and the same answer to every thread and process."""

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from contracts_aliases import AliasContract
from contracts_catalogue import (
    BOOK,
    OTHER,
    PRIORITY,
    CatalogueContract,
    DecisionContract,
    ProvenanceContract,
    original,
)
from contracts_changes import ChangeFeedContract
from contracts_feeds import CorruptContract, EditionContract, FeedContract
from contracts_notices import NoticeContract
from contracts_purges import PurgeContract
from contracts_reports import ReportContract
from contracts_titles import TitleContract
from contracts_turns import TurnContract
from counting import counted
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.domain import schemes
from coverproxy.domain.decisions import SameBytes
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.original import Original, best_first
from coverproxy.domain.spec import Identifier
from coverproxy.originals.sqlite import SqliteCatalogue
from coverproxy.originals.sqlite_mend import schema_steps
from coverproxy.storage import sqlite_migrations

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the catalogue's file goes."""
    return tmp_path / "data" / "catalogue.db"


@pytest.fixture
def catalogue(path: Path) -> Iterator[SqliteCatalogue]:
    """An empty catalogue, opened, in which the publisher's covers are preferred."""
    opened = SqliteCatalogue(path, PRIORITY)
    opened.open()
    yield opened
    opened.close()


class TestCatalogue(CatalogueContract):
    """SQLite keeps the catalogue's contract."""


class TestAliases(AliasContract):
    """SQLite keeps which identifiers name one item."""


class TestDecisions(DecisionContract):
    """SQLite keeps what people decided."""


class TestFeeds(FeedContract):
    """SQLite keeps what is remembered of feeds."""


class TestCorrupt(CorruptContract):
    """What is corrupt is listed."""


class TestReports(ReportContract):
    """SQLite keeps what readers report."""


class TestNotices(NoticeContract):
    """SQLite keeps the contract of notices: each is sent once."""


class TestChangeFeed(ChangeFeedContract):
    """SQLite keeps what programs read on from."""


class TestPurges(PurgeContract):
    """Purges in this catalogue."""


class TestTurns(TurnContract):
    """Turns in this catalogue."""


class TestTitles(TitleContract):
    """Titles in this catalogue."""


class TestEditions(EditionContract):
    """SQLite keeps which items are editions of each other."""


class TestProvenance(ProvenanceContract):
    """SQLite keeps the contract of what sources gave."""


originals = st.lists(
    st.builds(
        original,
        number=st.integers(0, 2**127),
        width=st.integers(1, 4).map(lambda side: side * 100),
        height=st.integers(1, 4).map(lambda side: side * 100),
        date=st.integers(0, 3),
        detail=st.sampled_from([None, 0.5, 1.0]),
        content=st.sampled_from([None, 0.4, 1.0]),
        source=st.sampled_from(["", "publisher", "scans", "members"]),
        fault=st.sampled_from([None, "decode: cut"]),
    ),
    unique_by=lambda one: one.digest,
    max_size=8,
)


priorities = st.dictionaries(st.sampled_from(["publisher", "scans"]), st.integers(-2, 2))


@given(found=originals, priority=priorities)
def test_the_best_original_is_told_by_one_rule(found: list[Original], priority: dict[str, int]) -> None:
    """A cover's shape wins, then more effective pixels, the source's priority, the later date, the digest."""
    ordered = best_first(found, priority)
    assert sorted(ordered, key=lambda one: one.digest) == sorted(found, key=lambda one: one.digest)
    assert best_first(reversed(found), priority) == ordered
    for better, worse in pairwise(ordered):
        ranks = [
            (not one.is_odd, one.effective_pixels, priority.get(one.source, 0), one.date)
            for one in (better, worse)
        ]
        assert ranks[0] > ranks[1] or (ranks[0] == ranks[1] and better.digest < worse.digest)


@given(found=originals)
def test_what_is_entered_is_found(tmp_path_factory: pytest.TempPathFactory, found: list[Original]) -> None:
    """Every original comes back as it was entered, with all that is known of it, in the order of the rule."""
    catalogue = SqliteCatalogue(tmp_path_factory.getbasetemp() / "any-originals.db", {"publisher": 1})
    catalogue.open()
    with catalogue.writing() as tables:
        for old in tables.find(BOOK):
            tables.remove(old)
        for each in found:
            tables.add(each)
    assert catalogue.find(BOOK) == best_first(found, {"publisher": 1})
    catalogue.close()


def test_counts_tell_books_from_originals(catalogue: SqliteCatalogue) -> None:
    """Two originals of one book and one of another are three originals and two books."""
    assert catalogue.totals() == counted(catalogue) == (0, 0)
    for each in (original(1), original(2), original(1, identifier=OTHER)):
        catalogue.add(each)
    assert catalogue.totals() == counted(catalogue) == (3, 2)


def test_it_survives_being_closed(catalogue: SqliteCatalogue, path: Path) -> None:
    """Originals, faults and refusals are there when the file is opened again; opening changes nothing."""
    catalogue.add(original(1))
    catalogue.mark_faulty(original(1), "decode: cut")
    catalogue.refuse(original(2).digest, SameBytes("art", 3, 3))
    catalogue.close()
    again = SqliteCatalogue(path, {})
    for _ in range(2):
        again.open()
    assert again.find(BOOK) == [original(1, fault="decode: cut")]
    assert again.refusal(original(2).digest) == SameBytes("art", 3, 3)
    again.close()


def python(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )  # fmt: skip


ENTER = """
import sys, pathlib
from contracts_catalogue import BOOK, original
from coverproxy.originals.sqlite import SqliteCatalogue
catalogue = SqliteCatalogue(pathlib.Path(sys.argv[1]), {})
print(len(catalogue.find(BOOK)))
catalogue.add(original(2))
catalogue.close()
"""


def test_another_process_sees_and_is_seen(catalogue: SqliteCatalogue, path: Path) -> None:
    """What one process commits, the next statement of another finds."""
    catalogue.add(original(1))
    out, err = python(ENTER, str(path)).communicate(timeout=60)
    assert (out, err) == ("1\n", "")
    assert catalogue.find(BOOK) == [original(1), original(2)]


RACE = """
import sys, time, pathlib
from contracts_catalogue import original
from coverproxy.originals.sqlite import SqliteCatalogue
folder, number, start = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
for turn in range(25):
    catalogue = SqliteCatalogue(folder / f"{turn}.db", {})
    time.sleep(max(0, start + turn * 0.04 - time.time()))
    catalogue.open()
    catalogue.add(original(number))
    catalogue.close()
"""


def test_many_processes_open_a_new_catalogue_at_once(tmp_path: Path) -> None:
    """The workers of a first start make the tables once between them, and none of them fails."""
    start = str(time.time() + 2.0)
    racers = [python(RACE, str(tmp_path), str(number), start) for number in range(6)]
    faults = [racer.communicate(timeout=100)[1].strip().rpartition("\n")[2] for racer in racers]
    assert faults == [""] * 6
    for turn in range(25):
        catalogue = SqliteCatalogue(tmp_path / f"{turn}.db", {})
        assert len(catalogue.find(BOOK)) == 6
        catalogue.close()


def test_a_catalogue_that_is_none_says_so(path: Path) -> None:
    """A file that is not a database is neither overwritten nor taken for an empty catalogue."""
    path.parent.mkdir()
    path.write_bytes(b"this is somebody's text" * 100)
    broken = SqliteCatalogue(path, {})
    with pytest.raises(StoreUnavailable):
        broken.open()
    assert path.read_bytes().startswith(b"this is somebody's text")
    broken.close()


def test_ping_needs_the_tables(catalogue: SqliteCatalogue, tmp_path: Path) -> None:
    """Health is asked of the tables: an open catalogue answers, an empty file does not."""
    catalogue.ping()
    empty = SqliteCatalogue(tmp_path / "empty.db", {})
    with pytest.raises(StoreUnavailable):
        empty.ping()
    empty.close()


changes = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "remove"]),
        st.integers(1, 3),
        st.sampled_from([BOOK, OTHER]),
        st.sampled_from(["shop", "scans"]),
    ),
    max_size=25,
)


@given(changes=changes)
def test_totals_are_what_counting_gives(tmp_path_factory: pytest.TempPathFactory, changes: list[Any]) -> None:
    """After any adding, replacing and removing the totals kept are those that counting every row gives."""
    catalogue = SqliteCatalogue(tmp_path_factory.mktemp("totals") / "catalogue.db", {})
    catalogue.open()
    held: dict[tuple[int, Identifier], str] = {}
    for what, number, book, source in changes:
        one = original(number, identifier=book, source=source)
        if what == "add":
            catalogue.add(one)
            held[number, book] = source
        else:
            catalogue.remove(one)
            held.pop((number, book), None)

    assert catalogue.totals() == counted(catalogue)
    assert catalogue.totals()[0] == len(held)
    assert dict(catalogue.sources()) == dict(Counter(held.values()))
    catalogue.close()


def test_an_older_catalogue_is_counted_once(path: Path) -> None:
    """A catalogue of before the totals has them after it is opened."""
    sqlite_migrations.apply(path, schema_steps()[:3])
    with closing(sqlite3.connect(path)) as connection, connection:
        sql = (
            "INSERT INTO original (scheme, value, digest, loader, width, height, bytes, date, source, added)"
            " VALUES (1, ?, ?, 'jpeg', 200, 300, 20000, 5, 'shop', 7)"
        )
        for number, book in ((1, BOOK), (2, BOOK), (1, OTHER)):
            connection.execute(sql, (int(book.value), number.to_bytes(16)))
    old = SqliteCatalogue(path, {})
    old.open()

    assert old.totals() == (3, 2)
    assert old.sources() == [("shop", 3)]
    old.close()


def test_no_row_ends_a_listing(
    catalogue: SqliteCatalogue, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong check digit is trusted as text; rows that no version wrote are left out, and logged."""
    catalogue.add(original(1))
    columns = "scheme, value, digest, loader, width, height, bytes, date, source, added, since, until, state"
    odd = [
        (1, 9780141439519, "jpeg", None),  # its check digit is 8
        (1, int(BOOK.value), "flif", None),
        (77, "x", "jpeg", None),
        (1, int(OTHER.value), "jpeg", "mislaid"),
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        for number, (scheme, value, loader, state) in enumerate(odd, start=2):
            values = (scheme, value, number.to_bytes(16), loader, 1, 1, 1, 1, "", 1, 1, 1, state)
            connection.execute(f"INSERT INTO original ({columns}) VALUES ({', '.join('?' * 13)})", values)  # noqa: S608
        connection.execute("INSERT INTO stale VALUES (77, 'x')")
    wrong = Identifier("isbn", "9780141439519")

    assert catalogue.find(BOOK) == [original(1)]
    assert [each.identifier for each in catalogue.find(wrong)] == [wrong]
    assert catalogue.find(OTHER) == []
    assert {each.identifier for each in catalogue.sample(most=10)} == {BOOK, wrong}
    assert [each.identifier for each in catalogue.outdated(5, most=10)] == [wrong]
    assert catalogue.stale(most=10) == []
    assert {each.msg for each in caplog.records} == {"a row of the catalogue cannot be read"}
    assert schemes.stems(wrong) == (wrong.value,)
