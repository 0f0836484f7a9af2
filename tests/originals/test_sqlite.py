"""What the catalogue promises: the best original first, and the same answer to every thread and process."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.domain.formats import Loader
from coverproxy.domain.original import Original, best_first
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.imaging.preview import Preview
from coverproxy.originals.sqlite import Catalogue, schema_steps
from coverproxy.storage import sqlite_migrations

BOOK = Identifier(ISBN, "9780141439518")
OTHER = Identifier(ISBN, "9798992242508")
ROOT = Path(__file__).resolve().parents[2]


def original(number: int = 1, **values: object) -> Original:
    """An original whose digest is *number*."""
    plain = Original(BOOK, number.to_bytes(16), Loader.JPEG, 200, 300, 20_000, 1_217_808_000)
    return replace(plain, **values)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the catalogue's file goes."""
    return tmp_path / "data" / "catalogue.db"


@pytest.fixture
def catalogue(path: Path) -> Iterator[Catalogue]:
    """An empty catalogue, opened, in which the publisher's covers are preferred."""
    opened = Catalogue(path, {"publisher": 10, "scans": -1})
    opened.open()
    yield opened
    opened.close()


originals = st.lists(
    st.builds(
        original,
        number=st.integers(0, 2**127),
        width=st.integers(1, 4).map(lambda side: side * 100),
        height=st.integers(1, 4).map(lambda side: side * 100),
        date=st.integers(0, 3),
        source=st.sampled_from(["", "publisher", "scans", "members"]),
        fault=st.sampled_from([None, "decode: cut"]),
    ),
    unique_by=lambda one: one.digest,
    max_size=8,
)


priorities = st.dictionaries(st.sampled_from(["publisher", "scans"]), st.integers(-2, 2))


@given(found=originals, priority=priorities)
def test_the_best_original_is_told_by_one_rule(found: list[Original], priority: dict[str, int]) -> None:
    """More pixels win, then the source's priority, the later date, the digest, however they came."""
    ordered = best_first(found, priority)
    assert sorted(ordered, key=lambda one: one.digest) == sorted(found, key=lambda one: one.digest)
    assert best_first(reversed(found), priority) == ordered
    for better, worse in pairwise(ordered):
        ranks = [(one.pixels, priority.get(one.source, 0), one.date) for one in (better, worse)]
        assert ranks[0] > ranks[1] or (ranks[0] == ranks[1] and better.digest < worse.digest)


def test_a_book_has_its_originals_best_first(catalogue: Catalogue) -> None:
    """Of several originals the largest comes first, then by the configured source and the date."""
    largest = original(5, width=1000, height=1500, source="scans", date=0)
    publisher = original(4, source="publisher", date=0)
    later = original(3, date=1_700_000_000)
    plain, twin = original(1), original(2)
    scans = original(0, source="scans", date=1_800_000_000)
    for each in (scans, twin, plain, later, publisher, largest):
        catalogue.add(each)
    assert catalogue.find(BOOK) == [largest, publisher, later, plain, twin, scans]
    assert catalogue.find(OTHER) == []


@given(found=originals)
def test_what_is_entered_is_found(tmp_path_factory: pytest.TempPathFactory, found: list[Original]) -> None:
    """Every original comes back as it was entered, with all that is known of it, in the order of the rule."""
    catalogue = Catalogue(tmp_path_factory.getbasetemp() / "any-originals.db", {"publisher": 1})
    catalogue.open()
    with catalogue.writing():
        for old in catalogue.find(BOOK):
            catalogue.remove(old)
        for each in found:
            catalogue.add(each)
    assert catalogue.find(BOOK) == best_first(found, {"publisher": 1})
    catalogue.close()


def test_every_value_survives(catalogue: Catalogue) -> None:
    """Any loader, a referenced path with odd letters, a long source, a date of now: nothing is changed."""
    for number, loader in enumerate(Loader):
        odd = original(number, loader=loader, path="/covers/ü \u201c.jpg", source="ж" * 300, fault="x")
        catalogue.add(odd)
        assert odd in catalogue.find(BOOK)


def test_the_same_bytes_again_replace_what_was_known(catalogue: Catalogue) -> None:
    """One book has given bytes once; entering them again renews date, source, path and fault."""
    catalogue.add(original(fault="decode: cut"))
    catalogue.add(original(source="publisher", date=5))
    assert catalogue.find(BOOK) == [original(source="publisher", date=5)]


def test_removing_takes_one_original(catalogue: Catalogue) -> None:
    """What is struck out is gone for that book alone; striking out twice is no fault."""
    catalogue.add(original(1))
    catalogue.add(original(2))
    catalogue.add(original(1, identifier=OTHER))
    for _ in range(2):
        catalogue.remove(original(1))
    assert catalogue.find(BOOK) == [original(2)]
    assert catalogue.find(OTHER) == [original(1, identifier=OTHER)]


def test_a_fault_is_remembered_of_one_original(catalogue: Catalogue) -> None:
    """A faulty original is marked, stays in its place, and its twin under another book is not touched."""
    catalogue.add(original(1))
    catalogue.add(original(1, identifier=OTHER))
    catalogue.mark_faulty(original(1), "decode: cut")
    assert catalogue.find(BOOK) == [original(1, fault="decode: cut")]
    assert catalogue.find(OTHER) == [original(1, identifier=OTHER)]


def test_a_fault_of_what_is_gone_is_nothing(catalogue: Catalogue) -> None:
    """An original that was replaced while it was rendered is not brought back by its fault."""
    catalogue.mark_faulty(original(1), "decode: cut")
    assert catalogue.find(BOOK) == []


def test_refused_bytes_are_remembered_with_their_reason(catalogue: Catalogue) -> None:
    """Refused bytes are told from others, and the last reason stands."""
    assert catalogue.refusal(original(1).digest) is None
    catalogue.refuse(original(1).digest, "came for 5 ISBNs")
    catalogue.refuse(original(1).digest, "came for 6 ISBNs")
    assert catalogue.refusal(original(1).digest) == "came for 6 ISBNs"
    assert catalogue.refusal(original(2).digest) is None


def test_the_same_bytes_are_found_under_every_book(catalogue: Catalogue) -> None:
    """All books that have a picture are found by its digest, at most as many as are asked for."""
    known = [original(7, identifier=book) for book in (BOOK, OTHER, Identifier(ISBN, "9780000000002"))]
    for each in (*known, original(8)):
        catalogue.add(each)
    found = catalogue.with_digest(original(7).digest, most=10)
    assert sorted(found, key=lambda one: one.identifier.value) == sorted(
        known, key=lambda one: one.identifier.value
    )
    assert len(catalogue.with_digest(original(7).digest, most=2)) == 2


def test_counts_tell_books_from_originals(catalogue: Catalogue) -> None:
    """Two originals of one book and one of another are two books and three originals."""
    assert catalogue.counts() == (0, 0)
    for each in (original(1), original(2), original(1, identifier=OTHER)):
        catalogue.add(each)
    assert catalogue.counts() == (2, 3)


def test_what_fails_in_the_middle_leaves_nothing(catalogue: Catalogue) -> None:
    """Writes that belong together are there together or not at all, and the next ones go well."""

    def half_of_it() -> None:
        with catalogue.writing():
            catalogue.add(original(1))
            catalogue.refuse(original(2).digest, "art")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_of_it()
    assert catalogue.find(BOOK) == []
    assert catalogue.refusal(original(2).digest) is None
    with catalogue.writing():
        catalogue.add(original(1))
    assert catalogue.find(BOOK) == [original(1)]


def test_it_survives_being_closed(catalogue: Catalogue, path: Path) -> None:
    """Originals, faults and refusals are there when the file is opened again; opening changes nothing."""
    catalogue.add(original(1))
    catalogue.mark_faulty(original(1), "decode: cut")
    catalogue.refuse(original(2).digest, "art")
    catalogue.close()
    again = Catalogue(path, {})
    for _ in range(2):
        again.open()
    assert again.find(BOOK) == [original(1, fault="decode: cut")]
    assert again.refusal(original(2).digest) == "art"
    again.close()


def test_other_threads_see_what_is_committed(catalogue: Catalogue) -> None:
    """A thread that reads sees all of a finished transaction, and nothing of one that goes on."""
    seen: list[list[Original]] = []

    def read() -> None:
        reader = threading.Thread(target=lambda: seen.append(catalogue.find(BOOK)))
        reader.start()
        reader.join()

    with catalogue.writing():
        catalogue.add(original(1))
        read()
        catalogue.add(original(2))
    read()
    assert seen == [[], [original(1), original(2)]]


def test_threads_write_side_by_side(catalogue: Catalogue) -> None:
    """Writers wait for each other: nothing is lost and nobody is turned away."""

    def write(first: int) -> None:
        for number in range(first, first + 25):
            with catalogue.writing():
                catalogue.add(original(number))

    writers = [threading.Thread(target=write, args=(100 * thread,)) for thread in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(catalogue.find(BOOK)) == 100


def python(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}:{ROOT / 'tests' / 'originals'}"},
    )  # fmt: skip


ENTER = """
import sys, pathlib, test_sqlite as t
catalogue = t.Catalogue(pathlib.Path(sys.argv[1]), {})
print(len(catalogue.find(t.BOOK)))
catalogue.add(t.original(2))
catalogue.close()
"""


def test_another_process_sees_and_is_seen(catalogue: Catalogue, path: Path) -> None:
    """What one process commits, the next statement of another finds."""
    catalogue.add(original(1))
    out, err = python(ENTER, str(path)).communicate(timeout=60)
    assert (out, err) == ("1\n", "")
    assert catalogue.find(BOOK) == [original(1), original(2)]


RACE = """
import sys, time, pathlib, test_sqlite as t
folder, number, start = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
for turn in range(25):
    catalogue = t.Catalogue(folder / f"{turn}.db", {})
    time.sleep(max(0, start + turn * 0.04 - time.time()))
    catalogue.open()
    catalogue.add(t.original(number))
    catalogue.close()
"""


def test_many_processes_open_a_new_catalogue_at_once(tmp_path: Path) -> None:
    """The workers of a first start make the tables once between them, and none of them fails."""
    start = str(time.time() + 2.0)
    racers = [python(RACE, str(tmp_path), str(number), start) for number in range(6)]
    faults = [racer.communicate(timeout=100)[1].strip().rpartition("\n")[2] for racer in racers]
    assert faults == [""] * 6
    for turn in range(25):
        catalogue = Catalogue(tmp_path / f"{turn}.db", {})
        assert len(catalogue.find(BOOK)) == 6
        catalogue.close()


def test_a_catalogue_that_is_none_says_so(path: Path) -> None:
    """A file that is no database is neither overwritten nor taken for an empty catalogue."""
    path.parent.mkdir()
    path.write_bytes(b"this is somebody's text" * 100)
    broken = Catalogue(path, {})
    with pytest.raises(sqlite3.DatabaseError):
        broken.open()
    assert path.read_bytes().startswith(b"this is somebody's text")
    broken.close()


def test_ping_needs_the_tables(catalogue: Catalogue, tmp_path: Path) -> None:
    """Health is asked of the tables: an open catalogue answers, an empty file does not."""
    catalogue.ping()
    empty = Catalogue(tmp_path / "empty.db", {})
    with pytest.raises(sqlite3.OperationalError):
        empty.ping()
    empty.close()


def test_a_list_is_looked_up_at_once(catalogue: Catalogue) -> None:
    """Of many ISBNs, those with an original that can be shown are told; faulty and unknown ones are not."""
    faulty = Identifier(ISBN, "9780140449136")
    catalogue.add(original(1))
    catalogue.add(original(2))
    catalogue.add(original(3, identifier=faulty, fault="decode: cut"))
    catalogue.add(original(4, identifier=OTHER))
    many = [f"978{number:010d}" for number in range(8000)]

    asked = [BOOK.value, faulty.value, OTHER.value, *many]

    assert catalogue.covered(asked) == {BOOK.value, OTHER.value}
    assert catalogue.covered([]) == set()


def test_a_look_is_of_the_bytes(catalogue: Catalogue) -> None:
    """How bytes look is remembered by their digest, once for all books that have them."""
    look = Preview(0x00FF7F, b"hash")

    assert catalogue.look(original(1).digest) is None
    catalogue.keep_look(original(1).digest, look)
    catalogue.keep_look(original(1).digest, look)

    assert catalogue.look(original(1).digest) == look
    assert catalogue.look(original(2).digest) is None


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
    catalogue = Catalogue(tmp_path_factory.mktemp("totals") / "catalogue.db", {})
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
    originals, isbns = catalogue.totals()

    assert (isbns, originals) == catalogue.counts()
    assert originals == len(held)
    assert dict(catalogue.sources()) == dict(Counter(held.values()))
    catalogue.close()


def test_an_older_catalogue_is_counted_once(path: Path) -> None:
    """A catalogue of before the totals has them after it is opened."""
    sqlite_migrations.apply(path, schema_steps()[:3])
    old = Catalogue(path, {})
    for number, book in ((1, BOOK), (2, BOOK), (1, OTHER)):
        old.add(original(number, identifier=book, source="shop"))
    old.open()

    assert old.totals() == (3, 2)
    assert old.sources() == [("shop", 3)]
    old.close()
