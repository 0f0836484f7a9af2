"""Files that a newer version made, that another process locks, or whose pages are damaged."""

import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
from write_lock import held

from coverproxy.doctor.checks import records
from coverproxy.doctor.checks.finding import Level
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.service import databases
from coverproxy.service.databases import Database, DatabaseFiles
from coverproxy.sources.sqlite import SqliteSourceMemory, schema_steps
from coverproxy.storage import sqlite_examine, sqlite_migrations, sqlite_watch
from coverproxy.storage.sqlite_file import SqliteFile

STEPS = ["CREATE TABLE book (isbn TEXT, title TEXT);"]


def changed(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)


def overwritten(path: Path) -> None:
    """Damage every page but the first."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteFile]:
    """An open file of version 1."""
    opened = SqliteFile(tmp_path / "sources.db", lambda: STEPS, StoreUnavailable)
    opened.open()
    yield opened
    opened.close()


def watched(file: SqliteFile) -> DatabaseFiles:
    async def reopened() -> None:
        file.open()

    return DatabaseFiles([Database(file.path, file, reopened, len(STEPS))])


def test_what_cannot_be_set_up_is_closed(tmp_path: Path) -> None:
    """Though the error is kept, as logs do: a file that is put right later would be in use still."""
    connection = sqlite3.connect(tmp_path / "some.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table") as kept:
        sqlite_migrations.set_up(connection, "SELECT 1", "SELECT * FROM book")
    assert kept.value.__traceback__
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


async def test_a_file_that_is_replaced_while_it_is_opened_is_opened_again(tmp_path: Path) -> None:
    """The file in use is the one that stood there before: what came since is another, and is opened next."""
    path = tmp_path / "sources.db"
    file = SqliteFile(path, lambda: STEPS, StoreUnavailable)
    file.open()
    titles = []

    async def reopened() -> None:
        file.open()
        titles.extend(file.read("SELECT title FROM book"))
        if not titles:  # as from a backup, at this very moment
            sqlite_migrations.apply(tmp_path / "good", STEPS)
            changed(tmp_path / "good", "INSERT INTO book VALUES ('9780141439518', 'Pride and Prejudice')")
            (tmp_path / "good").replace(path)

    files = DatabaseFiles([database := Database(path, file, reopened, len(STEPS))])
    await files.reopen(database)
    assert files.is_other(database)
    await files.reopen(database)
    file.close()

    assert not files.is_other(database)
    assert titles == [("Pride and Prejudice",)]


def test_a_locked_file_is_opened_at_once(file: SqliteFile) -> None:
    """A file that needs no migration is opened beside a lock; it used to wait ten minutes."""
    with held(file.path):
        began = time.monotonic()
        file.open()
        assert file.read("SELECT count(*) FROM book") == [(0,)]
        assert time.monotonic() - began < 60


def test_a_file_that_cannot_be_written_is_refused(file: SqliteFile) -> None:
    """Whatever its version: a file that may only be read is not opened as if all were well."""
    file.close()
    if subprocess.run(["mount", "--bind", file.path, file.path], check=False).returncode:
        pytest.skip("this machine allows no mount")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", file.path], check=True)
        with pytest.raises(StoreUnavailable, match="readonly"):
            file.open()
        files = watched(file)
        files.look()
        assert "cannot be used: attempt to write a readonly database" in files.faults()["sources.db"]
    finally:
        subprocess.run(["umount", "-l", file.path], check=True)


def test_a_lock_that_lasts_is_a_fault(file: SqliteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction that keeps others from writing is told with the way to find it; then it is over."""
    monkeypatch.setattr(databases, "_LOCKED_SECONDS", 0.2)
    files = watched(file)
    with held(file.path):
        files.look()
        assert files.faults() == {}
        time.sleep(0.25)
        files.look()
        assert f"`fuser {file.path}`" in files.faults()["sources.db"]
    files.look()
    assert files.faults() == {}


def test_a_lock_that_keeps_readers_out_is_a_fault_only_if_it_lasts(
    file: SqliteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that opens a file locks it for a moment: that is not a fault, as it was said to be."""
    file.close()
    monkeypatch.setattr(databases, "_LOCKED_SECONDS", 0.2)
    files = watched(file)
    with held(file.path, "exclusive"):
        files.look()
        assert files.faults() == {}
        time.sleep(0.25)
        files.look()
        assert f"`fuser {file.path}`" in files.faults()["sources.db"]
    files.look()
    assert files.faults() == {}


def test_a_log_that_was_deleted_is_a_fault(file: SqliteFile) -> None:
    """SQLite goes on with it without an error, and no other process sees what is written."""
    with file.transaction() as run:
        run("INSERT INTO book VALUES ('1', '')")
    files = watched(file)
    files.look()
    assert files.faults() == {}
    file.path.with_name("sources.db-wal").unlink()
    files.look()
    assert f"{file.path}-wal was deleted while in use: restart the service" in files.faults()["sources.db"]
    file.close()
    file.open()
    files.look()
    assert files.faults() == {}
    assert file.read("SELECT isbn FROM book") == [("1",)]


@pytest.mark.parametrize("is_cache", [True, False])
def test_what_is_a_cache_is_begun_anew_while_it_is_used(file: SqliteFile, *, is_cache: bool) -> None:
    """Overwritten, it counts as another file, which is opened, so moved aside; what is no cache stays."""
    file.close()

    async def reopened() -> None:
        file.open()

    database = Database(file.path, file, reopened, len(STEPS), is_cache)
    files = DatabaseFiles([database])
    files.look()
    assert not files.is_other(database)
    file.path.write_bytes(b"no database" * 1000)
    files.look()
    assert files.is_other(database) == is_cache
    assert "cannot be used: file is not a database" in files.faults()["sources.db"]


def test_a_migration_says_what_it_waits_for(
    file: SqliteFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Behind a lock it says so in one line, with the file and the way out, and gives up: it took ten minutes.

    Once the lock is gone it goes through, and is silent.
    """
    monkeypatch.setattr(sqlite_migrations, "_TELL_SECONDS", 0.1)
    monkeypatch.setattr(sqlite_migrations, "WAIT_SECONDS", 0.3)
    later = [*STEPS, "ALTER TABLE book ADD note TEXT;"]
    with (
        held(file.path),
        pytest.raises(sqlite_migrations.Locked, match=f"`fuser {file.path}` lists who uses it; try again"),
    ):
        sqlite_migrations.apply(file.path, later)
    said = f"waiting for another process that locks {file.path}: `fuser {file.path}` lists who uses it"
    assert [each.getMessage() for each in caplog.records] == [said]
    sqlite_migrations.apply(file.path, later)
    assert len(caplog.records) == 1


def test_locks_in_turn_are_none(file: SqliteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many short transactions, each met while it holds the lock, are no fault."""
    monkeypatch.setattr(databases, "_LOCKED_SECONDS", 0.0)
    files = watched(file)
    monkeypatch.setattr(databases, "_LOCKED_SECONDS", 0.05)
    for number in range(4):
        with file.transaction() as run:
            run("INSERT INTO book VALUES (?, '')", (number,))
            files.look()
            assert files.faults() == {}
        time.sleep(0.06)


def test_a_newer_versions_file_is_used_and_told(file: SqliteFile) -> None:
    """What a newer version added disturbs nothing: the file is used, and the fault names the way out."""
    changed(file.path, "ALTER TABLE book ADD note TEXT; PRAGMA user_version = 7")
    file.open()
    files = watched(file)
    files.look()

    assert file.read("SELECT count(*) FROM book") == [(0,)]
    assert files.faults()["sources.db"] == (
        f"{file.path} was made by a newer version: it has version 7, expected 1; update coverproxy"
    )


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("ALTER TABLE book RENAME TO item", "the tables book"),
        ("ALTER TABLE book DROP title", "the columns book.title"),
    ],
)
def test_a_newer_versions_file_that_lacks_something_stays_shut(
    file: SqliteFile, script: str, what: str
) -> None:
    """What a newer version took away is named, once and for all, instead of in every statement."""
    changed(file.path, f"{script}; PRAGMA user_version = 7")
    for _ in range(2):
        with pytest.raises(StoreUnavailable) as told:
            file.open()
        assert f"it was made by a newer version (7, expected 1) and lacks {what}: update" in str(told.value)
        assert file.is_shut


def test_a_lost_column_is_named(file: SqliteFile) -> None:
    """A file of the right version without one of its columns asks for a backup."""
    changed(file.path, "ALTER TABLE book DROP title")
    assert sqlite_examine.trouble(file.path, STEPS) == (
        "it lacks the columns book.title: restore it from a backup"
    )


def test_damaged_pages_are_a_fault_until_the_file_is_replaced(file: SqliteFile) -> None:
    """Once damage was met it is told, however much of the file can still be read."""
    with file.transaction() as run:
        for number in range(1000):
            run("INSERT INTO book VALUES (?, ?)", (number, "x" * 100))
    good = file.path.with_name("good")
    changed(file.path, f"VACUUM INTO '{good}'")
    file.close()
    overwritten(file.path)
    files = watched(file)
    with pytest.raises(StoreUnavailable):
        file.read("SELECT title FROM book")
    assert f"{file.path} is damaged (database disk image is malformed)" in files.faults()["sources.db"]

    file.close()
    good.replace(file.path)
    file.open()
    assert watched(file).faults() == {}


def test_the_memory_of_sources_heals_by_itself(tmp_path: Path) -> None:
    """Pages damaged while it is used: it is shut when they are met, and begun anew when it is opened."""
    path = tmp_path / "sources.db"
    memory = SqliteSourceMemory(path, 100)
    memory.open()
    memory.pause("publisher", 5e9)
    overwritten(path)
    memory.close()
    with pytest.raises(StoreUnavailable):
        memory.pause("publisher", 6e9)
    assert memory.is_shut

    memory.open()
    memory.pause("publisher", 6e9)
    assert not memory.is_shut
    assert (tmp_path / "sources.db.damaged").exists()
    memory.close()


def test_the_memory_of_sources_waits_a_second_for_a_lock(tmp_path: Path) -> None:
    """A client may wait for what it writes, so it gives up long before its answer is late."""
    memory = SqliteSourceMemory(tmp_path / "sources.db", 100)
    memory.open()
    with held(tmp_path / "sources.db"):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="locked"):
            memory.pause("publisher", 5e9)
        assert time.monotonic() - began < 30
    memory.close()


@pytest.mark.parametrize("mode", ["normal", "exclusive"])
def test_the_doctor_names_a_lock_that_lasts(tmp_path: Path, mode: Literal["normal", "exclusive"]) -> None:
    """A file that is sound but locked, for readers too, is a problem, with the command that shows by whom."""
    sqlite_migrations.apply(tmp_path / "sources.db", schema_steps())
    assert [each.level for each in records.databases(tmp_path)] == [Level.OK]
    with held(tmp_path / "sources.db", mode):
        (told,) = records.databases(tmp_path)
    assert told.level is Level.PROBLEM
    assert "is locked by another process" in told.found


def test_a_lock_is_seen_from_outside(file: SqliteFile) -> None:
    """Whoever reads holds no lock; who writes does."""
    file.read("SELECT count(*) FROM book")
    assert sqlite_watch.locked(file.path) is None
    with file.transaction():
        assert sqlite_watch.locked(file.path) is not None
