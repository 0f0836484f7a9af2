"""What concerns nothing that is known is entered at once: nothing differs from entering it one by one."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import images
import pytest
from conftest import configured
from counting import counted
from library import isbn_of, open_taker, strangers
from postgres_server import Cluster, postgres

from coverproxy.config import Config
from coverproxy.domain.decisions import Decision
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.originals.changes import changing
from coverproxy.originals.examine import Candidate, Refusal
from coverproxy.service.import_new import apart
from coverproxy.service.import_results import Entered, ImportReport
from coverproxy.service.import_steps import Passed, Step, Withdrawal
from coverproxy.storage.sqlite_tables import SqliteTables
from coverproxy.storage.table_copy import Row, Tables
from coverproxy.wiring.data_folder import DataFolder, open_shelf
from coverproxy.wiring.stores import sqlite_files

__all__ = ["postgres"]

BOOKS = strangers(12)
DATE = 1_217_808_000
COMPARED = (
    "original", "hidden", "refused", "quarantined", "alias", "last_shown", "unmeasured", "shown_change",
    "history",
)  # fmt: skip

Kept = tuple[list[Refusal], dict[str, list[Row]], ImportReport]


@pytest.fixture(params=["sqlite", "postgres"])
def config_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Config]:
    """The config of an empty service of a name, with one engine or the other."""

    def config(name: str) -> Config:
        store = {}
        if request.param == "postgres":
            store["url"] = request.getfixturevalue("postgres").new_database()
        return configured(tmp_path / name, store=store)

    return config


def picture(folder: Path, number: int) -> Path:
    """A file with a picture of this number: the same bytes for the same number."""
    path = folder / f"{number}.jpg"
    path.write_bytes(images.distinct(images.small_jpeg(), number))
    return path


def mixed(folder: Path) -> list[Step]:
    """New books, the same ones again, the same bytes, art, hidden and linked ones, and what is no picture."""
    chance = random.Random(15)  # noqa: S311 - an order, no secret
    offers = [(isbn, number) for number, isbn in enumerate(BOOKS)]
    offers += [(isbn, chance.randrange(15)) for isbn in chance.choices(BOOKS, k=10)]
    offers += [(isbn, 99) for isbn in strangers(16)[-4:]]  # one picture for many publishers
    chance.shuffle(offers)
    steps: list[Step] = [
        Candidate(isbn, picture(folder, number), chance.choice(["", "scans"]), DATE + number)
        for isbn, number in offers
    ]
    linked = Candidate(isbn_of(7), picture(folder, 70), others=(Identifier(ISBN, BOOKS[3]),), date=DATE)
    empty = folder / "empty.jpg"
    empty.touch()
    return [*steps[:9], linked, Passed(), Candidate(isbn_of(8), empty), *steps[9:]]


def begun(shelf: DataFolder) -> None:
    """Decide some things before anything comes."""
    with shelf.catalogue.writing() as tables:
        tables.decisions.hide(Identifier(ISBN, BOOKS[0]), None, Decision("anna", 5))
        tables.note_last_shown(Identifier(ISBN, BOOKS[1]), b"x" * 16, 1_900_000_000)
        tables.aliases.put(Identifier("oclc", "7"), Identifier(ISBN, BOOKS[2]))


def kept(config: Config, steps: list[Step]) -> Kept:
    """Import steps in one batch; return what is told and kept."""
    refusals: list[Refusal] = []
    with open_shelf(config) as shelf, open_taker(config, shelf, refusals.append) as importer:
        begun(shelf)
        report = importer.run(steps, lambda report: None)
        found = tables(config, shelf)
        kinds = found.tables()
        rows = {
            name: [plain(name, kinds[name].columns, row) for row in found.rows(kinds[name], None, 1000)]
            for name in COMPARED
        }
        assert shelf.catalogue.totals() == counted(shelf.catalogue)
    return refusals, rows, replace(report, seen=0, passed=0)


def tables(config: Config, shelf: DataFolder) -> Tables:
    if config.store.is_shared:
        from coverproxy.storage.postgres_tables import PostgresTables

        return PostgresTables(shelf.catalogue._pool)  # type: ignore[attr-defined]
    return SqliteTables(sqlite_files(config))


def plain(name: str, columns: tuple[str, ...], row: Row) -> Row:
    """A row without the moment at which it was written."""
    moments = {"original": ("added", "since"), "shown_change": ("at",), "history": ("at",)}.get(name, ())
    return tuple(value for column, value in zip(columns, row, strict=True) if column not in moments)


def test_at_once_is_as_one_by_one(config_of: Callable[[str], Config], tmp_path: Path) -> None:
    """The same batch beside a withdrawal of nothing, which has all entered one by one: the same rows,
    refusals and counts."""
    steps = mixed(tmp_path)
    refusals, rows, report = kept(config_of("whole"), steps)
    told, single, counted = kept(config_of("single"), [*steps, Withdrawal("", "nothing", (), "", "")])

    assert rows == single
    assert len(rows["original"]) > 8
    for name in ("refused", "alias", "shown_change"):
        assert rows[name], name
    assert [(each.isbn, each.reason) for each in refusals] == [(each.isbn, each.reason) for each in told]
    assert report == counted


def test_a_batch_is_one_copy(postgres: Cluster, tmp_path: Path) -> None:
    """A first import of books enters each batch of its rows by one COPY, and asks nothing of each row."""
    config = configured(tmp_path / "data", store={"url": postgres.new_database()})
    steps: list[Step] = [
        Candidate(isbn_of(number), picture(tmp_path, number), date=DATE) for number in range(40)
    ]
    with open_shelf(config) as shelf, open_taker(config, shelf, lambda refusal: None) as importer:
        pool = shelf.catalogue._pool  # type: ignore[attr-defined]
        report = importer.run(steps, lambda report: None)
        once = pool.read("SELECT count(DISTINCT xmin::text), count(DISTINCT cmin::text) FROM original")

    assert report.added == 40
    assert once == [(1, 1)]  # one transaction, and one statement in it


def test_the_server_is_told_of_a_table_that_grows(postgres: Cluster, tmp_path: Path) -> None:
    """PostgreSQL plans for the size that the table has during a first import, not for that of its start."""
    config = configured(tmp_path / "data", store={"url": postgres.new_database()})
    with open_shelf(config) as shelf:
        for first in range(0, 2000, 500):
            with changing(shelf.catalogue, DATE) as changes:
                changes.tables.add_new(entered(number).original for number in range(first, first + 500))
        pool = shelf.catalogue._pool  # type: ignore[attr-defined]
        known = pool.read("SELECT reltuples FROM pg_class WHERE oid = 'original'::regclass")

    assert known[0][0] >= 1000


def entered(number: int, body: int | None = None, **values: Any) -> Entered:
    """A picture that is in its place."""
    from contracts_catalogue import original

    one: Original = original(number if body is None else body, identifier=Identifier(ISBN, isbn_of(number)))
    return Entered(one, Candidate(isbn_of(number), Path("x.jpg"), **values), is_known=False)


def test_what_hangs_together_is_not_apart() -> None:
    """Two for one book, two with one picture, records, links and known ones are entered one by one."""
    alone = entered(1)
    others = (Identifier(ISBN, isbn_of(9)),)
    entangled = [
        entered(2), entered(2, 3), entered(4, 5), entered(5, 5), entered(6, record="r"),
        entered(7, others=others), entered(9), Entered(alone.original, alone.candidate, is_known=True),
    ]  # fmt: skip
    assert apart([alone, *entangled[:-1], Passed()]) == [alone]
    assert apart([*entangled]) == []
    assert apart([alone, Withdrawal("", "r", (), "", "")]) == []
