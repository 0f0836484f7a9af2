"""What is remembered of sources: for a while, up to a number, and by all processes alike."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from contracts_memory import NOW, ROOM, SourceMemoryContract, book

from coverproxy.sources.sqlite import SqliteSourceMemory


@pytest.fixture
def recall(tmp_path: Path) -> Iterator[SqliteSourceMemory]:
    """An empty memory for a thousand books."""
    opened = SqliteSourceMemory(tmp_path / "sources.db", ROOM)
    opened.open()
    yield opened
    opened.close()


class TestSourceMemory(SourceMemoryContract):
    """SQLite keeps the contract of what is remembered of sources."""

    @pytest.fixture
    def memory(self, recall: SqliteSourceMemory) -> SqliteSourceMemory:
        """The memory under test."""
        return recall

    @pytest.fixture
    def elsewhere(self, recall: SqliteSourceMemory, tmp_path: Path) -> Iterator[SqliteSourceMemory]:
        """The same file, opened a second time."""
        opened = SqliteSourceMemory(tmp_path / "sources.db", ROOM)
        opened.open()
        yield opened
        opened.close()


def test_it_does_not_grow_without_end(recall: SqliteSourceMemory, tmp_path: Path) -> None:
    """However many ISBNs are tried, about as many are kept as may be: those that stay absent longest."""
    for number in range(5000):
        recall.note_absent(book(number), NOW + number, NOW)
    with sqlite3.connect(tmp_path / "sources.db") as connection:
        (count,) = connection.execute("SELECT count(*) FROM absent").fetchone()
    connection.close()

    assert 1000 <= count < 1256
    assert recall.look(book(4999), NOW).is_absent
    assert not recall.look(book(100), NOW).is_absent


def test_what_is_over_goes_first(recall: SqliteSourceMemory, tmp_path: Path) -> None:
    """Books whose time is over make room by themselves."""
    for number in range(256):
        recall.note_absent(book(number), NOW + 1, NOW)
    for number in range(256, 512):
        recall.note_absent(book(number), NOW + 1000, NOW + 500)
    with sqlite3.connect(tmp_path / "sources.db") as connection:
        (count,) = connection.execute("SELECT count(*) FROM absent").fetchone()
    connection.close()

    assert count == 256


def test_it_can_be_deleted(recall: SqliteSourceMemory, tmp_path: Path) -> None:
    """A memory that was deleted is made anew, empty."""
    recall.note_absent(book(1), NOW + 10, NOW)
    recall.close()
    for file in tmp_path.glob("sources.db*"):
        file.unlink()
    recall.open()

    assert not recall.look(book(1), NOW).is_absent


@pytest.mark.parametrize(
    "damage",
    [b"no database at all" * 500, b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["text", "zeros", "torn"],
)
def test_a_damaged_file_is_put_aside(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """What is no database is kept beside, a new memory is begun, and one line names the file."""
    path = tmp_path / "sources.db"
    path.write_bytes(damage)
    memory = SqliteSourceMemory(path, 10)
    memory.open()
    memory.note_absent(book(1), NOW + 10, NOW)

    assert memory.look(book(1), NOW).is_absent
    assert (tmp_path / "sources.db.damaged").read_bytes() == damage
    assert len(caplog.records) == 1
    assert "sources.db" in vars(caplog.records[0])["error"]
    memory.close()


def test_processes_that_start_at_once_put_it_aside_once(tmp_path: Path) -> None:
    """Of four that find the file damaged, one begins it anew, and all use that one."""
    path = tmp_path / "sources.db"
    path.write_bytes(b"no database at all" * 500)
    memories = [SqliteSourceMemory(path, 10) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(SqliteSourceMemory.open, memories))
    memories[0].note_absent(book(1), NOW + 10, NOW)

    assert [memory.look(book(1), NOW).is_absent for memory in memories] == [True] * 4
    for memory in memories:
        memory.close()
