"""What is noted for people: bounded however much comes, added up across processes, kept if the file fails."""

import asyncio
import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from contracts_activity import NOW, ActivityContract, DownloadsContract, HistoryContract, isbn

from coverproxy.accounts.sqlite import schema_steps
from coverproxy.domain.errors import Unavailable
from coverproxy.stats.base import MOST_LACKING, MOST_REFUSALS, MOST_WANTED, RefusalRow, Sample
from coverproxy.stats.key_activity import MOST_DETAIL, MOST_WAITING, KeyActivity
from coverproxy.stats.sqlite import SqliteActivity
from coverproxy.storage import sqlite_migrations


@pytest.fixture
def notes(tmp_path: Path) -> SqliteActivity:
    """Notes in a real file."""
    sqlite_migrations.apply(tmp_path / "state.db", schema_steps())
    return SqliteActivity(tmp_path / "state.db")


class TestActivity(ActivityContract):
    """SQLite keeps the contract of what is noted of accounts."""

    @pytest.fixture
    def notes_elsewhere(self, notes: SqliteActivity, tmp_path: Path) -> SqliteActivity:
        """The same file, as another process opens it."""
        return SqliteActivity(tmp_path / "state.db")


class TestHistory(HistoryContract):
    """SQLite keeps the contract of samples."""

    @pytest.fixture
    def samples(self, notes: SqliteActivity) -> SqliteActivity:
        """The store under test."""
        return notes


class TestDownloads(DownloadsContract):
    """SQLite keeps the contract of downloads."""

    @pytest.fixture
    def downloads(self, notes: SqliteActivity) -> SqliteActivity:
        """The store under test."""
        return notes


def rows(tmp_path: Path, table: str) -> int:
    with sqlite3.connect(tmp_path / "state.db") as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
    connection.close()
    return count


def test_of_many_isbns_the_most_asked_for_stay(notes: SqliteActivity, tmp_path: Path) -> None:
    """A catalogue that asks for ten thousand ISBNs fills no more than its share, the frequent ones stand."""
    notes.add({("a", isbn(1)): 7, ("b", isbn(2)): 1}, [], NOW)
    for start in range(100, 10_000, 450):
        notes.add({("a", isbn(start + each)): 1 for each in range(450)}, [], NOW + start)
    kept = notes.lacking("a")

    assert rows(tmp_path, "lacking") <= MOST_LACKING * 1.2 + 1
    assert rows(tmp_path, "wanted") <= MOST_WANTED * 1.2 + 1
    assert len(kept) == MOST_LACKING
    assert (kept[0].isbn, kept[0].asked) == (isbn(1), 7)
    assert [each.isbn for each in notes.lacking("b")] == [isbn(2)]


def test_of_many_refusals_the_latest_stay(notes: SqliteActivity, tmp_path: Path) -> None:
    """Of a thousand refusals of one account fifty are kept, the latest first; others keep their own."""
    notes.add({}, [RefusalRow("b", NOW, "quota", "x")], NOW)
    for start in range(0, 1000, 40):
        notes.add({}, [RefusalRow("a", NOW, "invalid", str(start + each)) for each in range(40)], NOW)

    assert [each.detail for each in notes.refused("a")] == [str(number) for number in range(999, 949, -1)]
    assert len(notes.refused("b")) == 1
    assert rows(tmp_path, "refusal") == MOST_REFUSALS + 1


def test_samples_add_up_and_go_when_they_are_old(notes: SqliteActivity, tmp_path: Path) -> None:
    """Two samples of one hour are one sum; those older than they are kept for are gone."""
    steps = ((60, 3600), (3600, 86_400))
    notes.sample(steps, Sample(NOW - 7200, {"hit": 1}, {"0.1": 1}))
    for extra in (0, 60):
        notes.sample(steps, Sample(NOW - NOW % 3600 + extra, {"hit": 2, "made": extra}, {"0.1": 2}))

    assert [dict(each.answers) for each in notes.samples(3600, NOW - 3600)] == [{"hit": 4, "made": 60}]
    assert len(notes.samples(60, 0)) == 2
    assert rows(tmp_path, "sample") == 4
    notes.sample(steps, Sample(NOW + 90_000, {}, {}))
    assert len(notes.samples(60, 0)) + len(notes.samples(3600, 0)) == 2


def _note(path: Path, times: int) -> None:
    notes = SqliteActivity(path)
    for _ in range(times):
        notes.add({("a", isbn(1)): 1}, [RefusalRow("a", NOW, "quota", "x")], NOW)


def test_processes_add_to_the_same_counts(notes: SqliteActivity, tmp_path: Path) -> None:
    """Three processes that count one ISBN twenty times each make sixty."""
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.starmap(_note, [(tmp_path / "state.db", 20)] * 3)

    assert notes.lacking("a")[0].asked == 60


async def test_a_ledger_is_bounded_and_keeps_counts_when_the_file_fails(
    notes: SqliteActivity, tmp_path: Path
) -> None:
    """More ISBNs than may wait are not noted; counts wait out a file that fails; details are cut."""
    ledger = KeyActivity(notes, lambda: NOW)
    for number in range(MOST_WAITING + 500):
        ledger.note_lacking("a", isbn(number))
    ledger.note_lacking("a", isbn(0))
    ledger.note_refusal("a", "invalid", "x" * 1000)
    file, aside = tmp_path / "state.db", tmp_path / "aside.db"
    file.rename(aside)
    file.mkdir()
    with pytest.raises(Unavailable):
        await ledger.write()
    file.rmdir()
    aside.rename(file)
    ledger.note_refusal("a", "invalid", "x" * 1000)
    await ledger.write()

    assert rows(tmp_path, "lacking") == MOST_LACKING
    assert notes.lacking("a", 1)[0].asked == 2
    assert [len(each.detail) for each in notes.refused("a")] == [MOST_DETAIL]


async def test_what_waits_is_written_at_the_end(notes: SqliteActivity) -> None:
    """Closing a ledger writes what the last second brought."""
    ledger = KeyActivity(notes)
    async with ledger.kept():
        ledger.note_refusal("a", "quota", "x")
        await asyncio.sleep(0)
    assert len(notes.refused("a")) == 1
