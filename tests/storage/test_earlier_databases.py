"""Databases of every earlier version: each is brought to the present one, and loses nothing."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from contracts_catalogue import BOOK, OTHER, original

from coverproxy.accounts.sqlite import SqliteState
from coverproxy.accounts.sqlite import schema_steps as state_steps
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier
from coverproxy.originals.provenance import Provenance
from coverproxy.originals.sqlite import SqliteCatalogue
from coverproxy.originals.sqlite_mend import schema_steps as catalogue_steps
from coverproxy.originals.wanted_covers import wanted_steps
from coverproxy.sources.sqlite import SqliteSourceMemory
from coverproxy.sources.sqlite import schema_steps as source_steps
from coverproxy.storage import sqlite_examine, sqlite_migrations

EARLIER = Path(__file__).parents[1] / "originals" / "earlier"

RELEASED = {
    "catalogue": (
        catalogue_steps,
        [
            "e9c21106dc76cf0d",
            "6925db3ca86f67dc",
            "933f73e8ce1587b2",
            "29c2822b7dd209a9",
            "eb82c62b7f92936c",
            "d3dd219744476841",
            "bc2c9cc51717b670",
            "8709be6db7ecba76",
            "44c2f3d072dd7cf8",
            "8b83ed756be05526",
            "a86f0ba0bd630b35",
            "9d6cad28c32c22cc",
            "0285fcbe99b8afad",
            "9ea976e4409097d6",
            "bc2b0806192de783",
            "1c10a1a66f2bfa23",
            "4d9493c13a26aa7b",
            "84b704e6cd0eb312",
        ],
    ),
    "state": (
        state_steps,
        [
            "d8a5a8b4ad598d05",
            "5c563659186faa81",
            "29213b2e1860438d",
            "5e0153ee9e2144ae",
            "0df0774d6cca050d",
            "a8ea880dfc6b47ef",
            "5221fdc60bf964a0",
            "bfb49ffebd0949e0",
            "bf070ff3f85adaea",
            "d1bd9a696fa47c0f",
        ],
    ),
    "wanted": (wanted_steps, ["37f3c73c1e8087cb"]),
    "sources": (source_steps, ["be2d9f2f07a2f04c"]),
}
"""The first 16 digits of each step's SHA-256.

A step that is on main is in somebody's file: it never changes and never moves. A change is a new step,
and a new digest here."""


@pytest.mark.parametrize("name", RELEASED)
def test_a_step_once_released_stays(name: str) -> None:
    """Every step that was ever released still says the same under the same number."""
    steps, digests = RELEASED[name]
    found = [hashlib.sha256(step.encode()).hexdigest()[:16] for step in steps()]

    assert found[: len(digests)] == digests
    assert len(found) == len(digests), "add the new step's digest to RELEASED"


def make(path: Path, scripts: Sequence[str], version: int) -> sqlite3.Connection:
    """A file as an earlier version made it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for script in scripts:
        connection.executescript(script)
    connection.execute(f"PRAGMA user_version = {version}")
    return connection


def shape(path: Path) -> dict[str, object]:
    """Every table with its columns (without their defaults), every index and trigger, and the version."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT type, name FROM sqlite_master ORDER BY 1, 2").fetchall()
        columns = {
            name: [(*row[1:4], row[5]) for row in connection.execute(f"PRAGMA table_info({name})")]
            for kind, name in names
            if kind == "table"
        }
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        damage = connection.execute("PRAGMA integrity_check").fetchall()
    return {"names": names, "columns": columns, "version": version, "damage": damage}


FIRST, SECOND = ((EARLIER / f"catalogue-1{letter}.sql").read_text(encoding="utf-8") for letter in "ab")
ONE, LOOK, FETCHED, TOTAL = catalogue_steps()[:4]

CATALOGUES = {
    "of the first morning": ([FIRST], 1),
    "with stale": ([SECOND], 1),
    "of step 1": ([ONE], 1),
    "of step 2": ([ONE, LOOK], 2),
    "with fetched as step 2": ([ONE, FETCHED], 2),
    "of step 3": ([ONE, LOOK, FETCHED], 3),
    "of step 4": ([ONE, LOOK, FETCHED, TOTAL], 4),
}


def enter(connection: sqlite3.Connection, each: Original) -> None:
    """Write a row by the columns that each version had."""
    columns = [row[1] for row in connection.execute("PRAGMA table_info(original)")]
    values = {
        "scheme": 1, "value": int(each.identifier.value), "digest": each.digest, "loader": each.loader.value,
        "width": each.width, "height": each.height, "bytes": each.bytes, "date": each.date,
        "source": each.source, "path": each.path, "fault": each.fault, "added": each.added,
    }  # fmt: skip
    columns = [name for name in columns if name in values]  # later ones have defaults
    marks = ", ".join("?" for _ in columns)
    connection.execute(
        f"INSERT INTO original ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 - our columns
        [values[name] for name in columns],
    )


@pytest.mark.parametrize("name", CATALOGUES)
def test_every_earlier_catalogue_opens(name: str, tmp_path: Path) -> None:
    """A catalogue of every earlier version has the present tables afterwards, and all that was in it."""
    path, fresh = tmp_path / "catalogue.db", tmp_path / "fresh.db"
    with closing(make(path, *CATALOGUES[name])) as connection:
        known = [original(1, source="shop"), original(2, fault="decode: cut"), original(3, identifier=OTHER)]
        for each in known:
            enter(connection, each)
        has_fetched = "fetched" in sqlite_migrations.tables(connection)
        if has_fetched:
            connection.execute(
                "INSERT INTO fetched VALUES (1, ?, 'shop', ?, '\"t\"', NULL, 5, NULL)",
                (int(BOOK.value), known[0].digest),
            )
    catalogue = SqliteCatalogue(path, {})
    for _ in range(2):
        catalogue.open()
    SqliteCatalogue(fresh, {}).open()

    assert shape(path) == shape(fresh)
    assert sorted(catalogue.find(BOOK), key=lambda one: one.digest) == known[:2]
    assert catalogue.find(OTHER) == known[2:]
    assert catalogue.totals() == (3, 2)
    row = Provenance(BOOK, "shop", known[0].digest, '"t"', None, 5, None)
    assert catalogue.provenance.of(BOOK, "shop") == (row if has_fetched else None)
    assert catalogue.quarantined_for(known[0].digest) is None
    assert catalogue.stale(most=1) == []
    catalogue.close()


def test_printed_music_that_was_an_isbn_is_found_as_ismn(tmp_path: Path) -> None:
    """Originals of 9790… that an earlier version entered as an ISBN are the ISMN's, and stay in place."""
    path, number = tmp_path / "catalogue.db", "9790260000438"
    book, other = (original(each, identifier=Identifier("isbn", number)) for each in (1, 2))
    with closing(make(path, catalogue_steps()[:17], 17)) as connection:
        for each in (book, other, original(3)):
            enter(connection, each)
        connection.execute("INSERT INTO alias VALUES (5, '123', 1, ?)", (int(number),))
    catalogue = SqliteCatalogue(path, {})
    catalogue.open()

    music = Identifier("ismn", number)
    assert {each.digest for each in catalogue.of_item(music)} == {book.digest, other.digest}
    assert catalogue.aliases.item(music) == book.identifier
    assert set(catalogue.aliases.names(music)) == {book.identifier, music, Identifier("oclc", "123")}
    assert catalogue.aliases.count() == 2
    catalogue.close()


@pytest.mark.parametrize("version", range(1, len(state_steps())))
async def test_every_earlier_state_opens(version: int, tmp_path: Path) -> None:
    """Keys and counts of every earlier version are kept, and the tables are the present ones."""
    path, fresh = tmp_path / "state.db", tmp_path / "fresh.db"
    with closing(make(path, state_steps()[:version], version)) as connection:
        connection.execute(
            "INSERT INTO key (name, label, daily_limit, strict, sites, created_at, revoked_at)"
            " VALUES ('k', 'Library', 7, 1, '[\"a.example\"]', 5, NULL)"
        )
        connection.execute("INSERT INTO made VALUES ('k', '2026-11-23', 3)")
    for place in (path, fresh):
        state = SqliteState(place)
        await state.open()
        await state.close()
    assert await asyncio.to_thread(shape, path) == await asyncio.to_thread(shape, fresh)
    await state_has_it(path)


async def state_has_it(path: Path) -> None:
    state = SqliteState(path)
    await state.open()
    (key,) = await state.keys()
    assert (key.name, key.label, key.daily_limit, key.strict, key.sites) == (
        "k", "Library", 7, True, ("a.example",),
    )  # fmt: skip
    assert list((await state.history("k", date(2026, 1, 1))).values()) == [3]
    await state.close()


def test_earlier_memories_of_sources_open(tmp_path: Path) -> None:
    """What was remembered of sources stays remembered."""
    path = tmp_path / "sources.db"
    with closing(make(path, source_steps()[:1], 1)) as connection:
        connection.execute("INSERT INTO absent VALUES ('isbn', '9780141439518', 100.0)")
    memory = SqliteSourceMemory(path, 10)
    memory.open()
    assert memory.look(Identifier("isbn", "9780141439518"), 50.0).is_absent
    memory.close()


def test_a_file_that_cannot_be_upgraded_is_named_and_left_alone(tmp_path: Path) -> None:
    """The error has the file, both versions and a way out; the file is left as it was."""
    path = tmp_path / "catalogue.db"
    make(path, [*catalogue_steps()[:2], "CREATE TABLE fetched (mine TEXT);"], 2).close()
    before = shape(path)
    with pytest.raises(StoreUnavailable) as refused:
        SqliteCatalogue(path, {}).open()

    told = str(refused.value)
    newest = len(catalogue_steps())
    assert all(word in told for word in ("catalogue.db", "version 2", f"version {newest}", "backup"))
    assert shape(path) == before


def test_only_its_owner_reads_a_database(tmp_path: Path) -> None:
    """A new file, what SQLite keeps beside it, and an existing one that others could read: all are 0600."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    make(old, state_steps(), len(state_steps())).close()
    old.chmod(0o644)
    for path in (old, new):
        sqlite_migrations.apply(path, state_steps())
        with closing(sqlite_migrations.connect(path)) as connection:
            connection.execute("INSERT INTO made VALUES ('k', '2026-11-26', 1)")
            parts = sorted(each for each in tmp_path.iterdir() if each.name.startswith(path.name))
            assert [each.name[6:] for each in parts] == ["", "-shm", "-wal"]
            assert [each.stat().st_mode & 0o777 for each in parts] == [0o600] * 3


def test_another_program_s_database_is_left_as_it_is(tmp_path: Path) -> None:
    """A file with tables that are not ours is refused by name, and not one byte of it changes."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmark (url TEXT)")
    before = path.read_bytes()

    assert "bookmark" in sqlite_examine.trouble(path, state_steps())
    with pytest.raises(sqlite_migrations.StepFailed, match="bookmark"):
        sqlite_migrations.apply(path, state_steps())
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("steps", "table"),
    [(state_steps, "made"), (catalogue_steps, "look"), (source_steps, "pause")],
    ids=["state", "catalogue", "sources"],
)
def test_a_file_that_lacks_a_table_is_found(
    tmp_path: Path, steps: Callable[[], Sequence[str]], table: str
) -> None:
    """A file of the newest version without one of its tables is refused, and the table is named."""
    path = tmp_path / "some.db"
    with closing(make(path, steps(), len(steps()))) as connection:
        connection.execute(f"DROP TABLE {table}")

    assert f"it lacks the tables {table}" in sqlite_examine.trouble(path, steps())
    with pytest.raises(sqlite_migrations.StepFailed, match=table):
        sqlite_migrations.apply(path, steps())
