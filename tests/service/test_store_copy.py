"""All that a service keeps moves from SQLite to PostgreSQL and back, row by row the same."""

import hashlib
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import configured, take_in
from contracts import TODAY
from contracts_catalogue import BOOK, original
from counting import counted
from every_table import fill_every_table
from postgres_server import Cluster, postgres
from running import key, run, started

from coverproxy.accounts.postgres import PostgresState
from coverproxy.accounts.sqlite import SqliteState
from coverproxy.domain.decisions import Decision
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.spec import Identifier
from coverproxy.service.store_copy import Progress, copy, differing
from coverproxy.storage.postgres_pool import PostgresPool
from coverproxy.storage.sqlite_tables import SqliteTables
from coverproxy.storage.table_copy import Row, Table, as_stored, as_text
from coverproxy.wiring.data_folder import open_shelf
from coverproxy.wiring.postgres import opened_database
from coverproxy.wiring.stores import sqlite_files

__all__ = ["postgres"]

LOCAL = Identifier("local:a", "b:c/d eä")


@pytest.fixture
async def data(tmp_path: Path, drawn: Path) -> Path:
    """A data folder in which something of every kind lies."""
    folder = tmp_path / "data"
    config = configured(folder)
    take_in(config, drawn, "reference")
    with open_shelf(config) as shelf, shelf.catalogue.writing() as tables:
        for number, identifier in enumerate((BOOK, LOCAL, Identifier("oclc", "1"))):
            tables.add(original(number, identifier=identifier, path="/a\u201c.jpg", fault="x", detail=0.1))
            tables.decisions.hide(identifier, bytes([number]), Decision("anna", 5, "é\n"))
            tables.aliases.number(identifier)
        tables.decisions.hide(None, b"1", Decision("anna", 5))
        tables.quarantine(b"2", "crash", 7)
        tables.aliases.put(LOCAL, BOOK)
        shelf.recall.note_absent(BOOK, 5.25, 1.0)
    state = SqliteState(folder / "state.db")
    await state.open()
    await state.take("k", TODAY, 9)
    for item in ("a", "a", "b"):
        await state.take("k", TODAY, 9, item)
    await state.secret(b"\x00\xff secret")
    await state.close()
    key(folder)
    return folder


def rows(folder: Path, most: int = 10_000) -> dict[str, list[Row]]:
    """Every row of every table that is copied."""
    found = SqliteTables(sorted(folder.glob("*.db")))
    with closing(found):
        return {name: found.rows(table, None, most) for name, table in found.tables().items()}


async def test_there_and_back_all_is_the_same(data: Path, postgres: Cluster, tmp_path: Path) -> None:
    """What comes back from PostgreSQL is what went there: every row of every table; and both work."""
    url, back = postgres.new_database(), tmp_path / "back"
    told = run("store", "copy", "--from", "sqlite", "--to", "postgres", "--url", url, data=data)
    assert "the same in both" in told
    run("store", "copy", "--from", "postgres", "--to", "sqlite", "--url", url, data=back)

    before = rows(data)
    assert rows(back) == before
    pool = PostgresPool(url, StoreUnavailable)
    sampled = pool.read("SELECT reltuples FROM pg_class WHERE oid = 'original'::regclass")
    pool.close()
    assert sampled == [(len(before["original"]),)], "the server knows how large its tables are"
    assert {name for name, found in before.items() if found} >= {
        "absent", "alias", "hidden", "key", "made", "made_item", "numbered", "original", "quarantined",
        "secret",
    }  # fmt: skip
    state = PostgresState(PostgresPool(url, StoreUnavailable))
    await state.open()
    assert await state.take("k", TODAY, 9) == 4
    assert await state.secret(b"another") == b"\x00\xff secret"
    await state.close()
    with open_shelf(configured(tmp_path / "node", store={"url": url})) as shelf:
        assert shelf.catalogue.totals() == counted(shelf.catalogue)
        assert shelf.catalogue.aliases.number(Identifier("oclc", "2")) == 4
    with open_shelf(configured(back)) as shelf:
        assert shelf.catalogue.totals() == counted(shelf.catalogue)


async def test_every_row_of_every_table_there_and_back(data: Path, postgres: Cluster, tmp_path: Path) -> None:
    """Rows with every kind of value that their table may hold stay what they are."""
    with open_shelf(configured(data)) as shelf:
        shelf.recall.note_absent(BOOK, 5.25, 1.0)
    fill_every_table(data, 20)
    before = rows(data)
    assert {name for name, found in before.items() if len(found) < 20} <= {"secret", "made_item"}
    assert all(before.values())
    url, back = postgres.new_database(), tmp_path / "back"
    for source, target, folder in (("sqlite", "postgres", data), ("postgres", "sqlite", back)):
        told = run("store", "copy", "--from", source, "--to", target, "--url", url, data=folder)
        assert "the same in both" in told

    after = rows(back)
    assert {name: found for name, found in after.items() if found != before[name]} == {}
    assert after.keys() == before.keys()


class Failing:
    """Tables that take so many portions, and then no more."""

    def __init__(self, whole: Any, portions: int) -> None:
        self._whole = whole
        self._left = portions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def write(self, table: Table, rows: Sequence[Row]) -> None:
        """Write, or fail."""
        self._left -= 1
        if self._left < 0:
            raise StoreUnavailable("the cable is cut")
        self._whole.write(table, rows)


def test_an_interrupted_copy_goes_on(data: Path, postgres: Cluster, tmp_path: Path) -> None:
    """Cut off after some tables, the same command copies the rest; a used target is refused without that."""
    url, files = postgres.new_database(), SqliteTables(sqlite_files(configured(data)))
    with closing(files), opened_database(url) as database:
        with pytest.raises(StoreUnavailable):
            copy(files, Failing(database, 9), Progress(tmp_path / "p.json", "x"))
        assert (tmp_path / "p.json").exists()
        with pytest.raises(StoreUnavailable, match="expected none"):
            copy(files, database, Progress(tmp_path / "other.json", "x"))
        result = copy(files, database, Progress(tmp_path / "p.json", "x"))

    assert result.differing == {}
    assert not (tmp_path / "p.json").exists()


def killed_and_ended(data: Path, source: str, target: str, url: str, moments: list[int]) -> int:
    """Start the copy, and kill it once it has noted so many portions more, for each of the moments; then let
    it end. Return how many were killed before their end."""
    words = ["store", "copy", "--from", source, "--to", target, "--url", url]
    note = data / "store-copy.json"
    for killed, moment in enumerate(moments):
        process = started(*words, "--data", data, stderr=subprocess.PIPE)
        seen = {note.read_bytes()} if note.exists() else set()
        enough = len(seen) + moment
        while process.poll() is None and len(seen) < enough:
            with suppress(FileNotFoundError):
                seen.add(note.read_bytes())
            time.sleep(0.001)
        process.kill()
        _, said = process.communicate()
        if (code := process.wait()) >= 0:
            assert code == 0, said
            return killed
    assert "the same in both" in run(*words, data=data)
    assert not note.exists()
    return len(moments)


def test_a_killed_copy_goes_on(data: Path, postgres: Cluster, tmp_path: Path) -> None:
    """Killed in the middle of a table and between tables, there and back: every row of every table is there
    once, and the same."""
    with closing(sqlite3.connect(data / "catalogue.db")) as file, file:
        many = ((f"once {number}", number, b"d", "{}") for number in range(12_000))
        file.executemany("INSERT INTO once VALUES (?, ?, ?, ?)", many)
    url, back = postgres.new_database(), tmp_path / "back"
    before = rows(data, most=20_000)
    there = killed_and_ended(data, "sqlite", "postgres", url, [1, 3, 3, 2])
    with opened_database(url) as database:
        kinds = database.tables()
        found = {name: database.rows(each, None, 20_000) for name, each in kinds.items()}
        assert {name: sorted(map(repr, each)) for name, each in found.items()} == {
            name: sorted(map(repr, each)) for name, each in before.items()
        }
    again = killed_and_ended(back, "postgres", "sqlite", url, [1, 3, 3, 2])

    assert rows(back, most=20_000) == before
    assert len(before["once"]) == 12_000
    assert there >= 2
    assert again >= 2


def everything(path: Path) -> dict[str, list[Row]]:
    """Every row of every table of a database."""
    with closing(sqlite3.connect(path)) as file:
        names = file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: sorted(file.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for (name,) in names}  # noqa: S608


def digests(folder: Path) -> dict[str, str]:
    """The digest of every original's file."""
    found = (path for path in (folder / "originals").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def test_what_is_restored_is_the_same(data: Path, drawn: Path, tmp_path: Path) -> None:
    """Every row of every table that is saved, and every original, comes back; what is not saved is told."""
    take_in(configured(data), drawn, "copy")
    saved, other = tmp_path / "saved", tmp_path / "other"
    told = run("backup", saved, data=data)
    assert "sources.db" in told
    assert "is asked again" in told
    run("restore", saved, data=other)

    for name in ("state.db", "catalogue.db"):
        before = everything(data / name)
        assert everything(other / name) == before
        assert sum(map(len, before.values())) > 5
    assert digests(other) == digests(data)
    assert digests(data)
    assert not (other / "sources.db").exists()


def test_a_copy_that_was_killed_before_its_first_note_goes_on(
    data: Path, postgres: Cluster, tmp_path: Path
) -> None:
    """Rows of the very first portion do not make the target another's."""
    url, files = postgres.new_database(), SqliteTables(sqlite_files(configured(data)))
    with closing(files), opened_database(url) as database:
        note = Progress(tmp_path / "p.json", "x")
        note.begin()
        key_table = files.tables()["key"]
        database.write(key_table, files.rows(key_table, None, 10))
        assert copy(files, database, Progress(tmp_path / "p.json", "x")).differing == {}


def test_the_check_sees_what_differs(data: Path, postgres: Cluster, tmp_path: Path) -> None:
    """A row that is lacking and a value that is another one are told, by table."""
    url, files = postgres.new_database(), SqliteTables(sqlite_files(configured(data)))
    with closing(files), opened_database(url) as database:
        copy(files, database, Progress(tmp_path / "p.json", "x"))
        with closing(sqlite3.connect(data / "catalogue.db")) as changed, changed:
            changed.execute("UPDATE hidden SET note = 'other'")
            changed.execute("DELETE FROM alias")
        found = differing(files, database, files.tables())

    assert found.keys() == {"hidden", "alias"}


def test_both_engines_have_the_same_tables(postgres: Cluster, tmp_path: Path) -> None:
    """Every table and column that SQLite keeps PostgreSQL keeps too: none is forgotten by a copy."""
    files = SqliteTables(sqlite_files(configured(tmp_path)))
    with closing(files), opened_database(postgres.new_database()) as database:
        ours, theirs = files.tables(), database.tables()

    assert {name: set(each.columns) for name, each in ours.items()} == {
        name: set(each.columns) for name, each in theirs.items()
    }
    assert {name: each.key for name, each in ours.items()} == {
        name: each.key for name, each in theirs.items()
    }


def test_values_of_identifiers_change_their_form() -> None:
    """ISBNs are 13 digits as text there and numbers here; other values are as they are."""
    columns = ("scheme", "value", "item_scheme", "item_value")
    for here, there in (
        ((1, 9780141439518, 5, "007"), (1, "9780141439518", 5, "007")),
        ((0, 0, 100, "a:7"), (0, "0", 100, "a:7")),
    ):
        assert as_text(columns, here) == there
        assert as_stored(columns, there) == here
