"""The way of whole folders and lists into the catalogue, and what stays true when it is cut short."""

import csv
import hashlib
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import images
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from library import BOOK, OTHERS, Library, isbn_of, strangers
from running import COMMAND, Process, ended, started
from write_lock import held

from coverproxy.cli import main
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.originals.examine import Candidate, Refusal
from coverproxy.service.import_file import offered
from coverproxy.service.import_steps import Sender

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
MANY = 1500


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty folder of covers, and no data folder yet."""
    return Library(tmp_path)


def start(*arguments: str | Path) -> Process:
    """Start the command `coverproxy import` in a process of its own."""
    return started("import", *arguments, stderr=subprocess.PIPE)


def run(library: Library, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    """Run `coverproxy import --json` on the covers (or what *arguments* begin with), and read its answer."""
    what = arguments or (library.covers,)
    done = ended("import", *what, "--data", library.data, "--json")
    assert (done.returncode, done.stderr) == (code, "")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def fill(library: Library, count: int) -> dict[str, bytes]:
    """Write as many small covers, each of its own bytes; return them by ISBN."""
    books = {isbn_of(100 * number): images.distinct(images.small_jpeg(), number) for number in range(count)}
    for isbn, body in books.items():
        folder = library.covers / isbn[-4:-2]
        folder.mkdir(exist_ok=True)
        (folder / f"{isbn}.jpg").write_bytes(body)
    return books


# --- what a folder or a list offers


def test_a_folder_tree_is_taken_in(library: Library) -> None:
    """Files in any subfolder, named by any spelling of an ISBN, of any type, become originals."""
    library.put(f"{BOOK}.jpg", images.drawn("jpeg-420"))
    library.put(f"a/b/{OTHERS[0]}.png", images.drawn("png-rgb"))
    library.put("a/0-545-01022-5.jpeg", images.drawn("webp"))
    report = library.take_in(source="members")
    assert (report.seen, report.added, report.already, report.refused) == (3, 3, 0, {})
    assert report.bytes == sum(path.stat().st_size for path in library.covers.rglob("*.*"))
    assert {one.identifier.value for one in library.all_originals()} == {BOOK, OTHERS[0], "9780545010221"}
    assert {one.source for one in library.all_originals()} == {"members"}
    assert library.is_consistent()


def test_hidden_files_and_folders_are_passed_over(library: Library) -> None:
    """What begins with a dot (.DS_Store, ._9780….jpg, .git) is not the operator's cover."""
    for name in (f".{BOOK}.jpg", f"._{BOOK}.jpg", f".trash/{BOOK}.jpg", f"a/.b/c/{BOOK}.jpg"):
        library.put(name, images.small_jpeg())
    assert library.take_in().seen == 0


def test_one_file_can_be_taken_in(library: Library) -> None:
    """PATH may be a single picture named by its ISBN."""
    report = library.take_in(library.put(f"{BOOK}.jpg", images.small_jpeg()))
    assert (report.seen, report.added) == (1, 1)


ADDED = ["{}-L", "{}-front", "{}-1", "{}-cover", "cover{}", "EAN{}", "{}hbk", "{}_600x900", "20240501_{}"]


@pytest.mark.parametrize("form", [*ADDED, "{}(1)", "{}@2x", "{}\u00e9"])
def test_a_file_name_may_say_more_than_its_isbn(library: Library, form: str) -> None:
    """What publishers and saved pictures append to the number refuses no file, in a folder or alone."""
    path = library.put(f"{form.format(BOOK)}.jpg", images.small_jpeg())
    assert library.take_in(path).added == 1
    report = library.take_in()
    assert (report.already, report.refused.total()) == (1, 0)
    assert [one.identifier.value for one in library.all_originals()] == [BOOK]


@pytest.mark.parametrize("mode", ["copy", "link"])
def test_originals_are_found_again_without_their_catalogue(library: Library, mode: str) -> None:
    """After a lost catalogue.db, importing the folder of originals enters each again, where it lies."""
    for number, isbn in enumerate(strangers(12)):
        library.put(f"{isbn}.jpg", images.distinct(images.small_jpeg(), number))
    library.take_in(mode=mode)
    before, files = {(one.identifier, one.digest) for one in library.all_originals()}, library.stored()
    for path in library.data.glob("catalogue.db*"):
        path.unlink()

    report = library.take_in(library.data / "originals", mode=mode)

    assert (report.seen, report.added, report.refused.total()) == (12, 12, 0)
    assert {(one.identifier, one.digest) for one in library.all_originals()} == before
    assert library.stored() == files
    assert library.is_consistent()


def test_a_folder_offers_its_files_in_one_order(library: Library) -> None:
    """Names are read in sorted order, so that two runs over a folder do the same."""
    for name in ("c.jpg", "a.jpg", "b/2.jpg", "b/1.jpg"):
        library.put(name, b"")
    names = [one.path.name for one in offered(library.covers, Sender()) if isinstance(one, Candidate)]
    assert names == ["a.jpg", "c.jpg", "1.jpg", "2.jpg"]


def test_linked_folders_are_followed_once(library: Library, tmp_path: Path) -> None:
    """A linked folder is gone through, a second link to it and a link that leads back add nothing."""
    outside = tmp_path / "outside"
    library.put(f"../outside/in/{BOOK}.jpg", images.small_jpeg())
    for name, to in {"lk": outside, "lk2": outside, "a/lk3": outside / "in", "a/up": library.covers}.items():
        (library.covers / name).parent.mkdir(exist_ok=True)
        (library.covers / name).symlink_to(to)
    (outside / "back").symlink_to(library.covers)
    (library.covers / "gone").symlink_to(tmp_path / "nowhere")
    report = library.take_in()
    assert (report.added, report.already, report.seen) == (1, 0, 2)
    assert [(Path(one.path).name, one.reason) for one in library.refusals] == [("gone", "isbn")]


def test_a_link_to_the_data_folder_is_not_followed(library: Library) -> None:
    """Whatever path leads to the data folder, it is no source of covers."""
    library.put(f"{BOOK}.jpg", images.small_jpeg())
    library.take_in()
    (library.covers / "link").symlink_to(library.data)
    assert len(list(offered(library.covers, Sender(data=library.data)))) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_refused(library: Library) -> None:
    """A folder without the right to list it is one refusal, and the rest is taken in."""
    library.put(f"{BOOK}.jpg", images.small_jpeg())
    library.put("closed/0545010225.jpg", images.small_jpeg())
    (library.covers / "closed").chmod(0)
    report = library.take_in()
    (library.covers / "closed").chmod(0o755)
    assert (report.added, dict(report.refused)) == (1, {"unreadable": 1})


def listed(library: Library, text: str | bytes, name: str = "covers.csv", source: str = "") -> list[Any]:
    """What a list of that content offers."""
    path = library.put(name, text.encode() if isinstance(text, str) else text)
    return [
        (one.isbn, one.path.name, one.source, one.date) if isinstance(one, Candidate) else one.reason
        for one in offered(path, Sender(source))
        if isinstance(one, Candidate | Refusal)
    ]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1,a.jpg\n2,b.jpg\n", [("1", "a.jpg", "", None), ("2", "b.jpg", "", None)]),
        ("1,a.jpg", [("1", "a.jpg", "", None)]),
        ("1\ta.jpg\tloc\t5\n", [("1", "a.jpg", "loc", 5)]),
        ("1;a.jpg;loc;5\n", [("1", "a.jpg", "loc", 5)]),
        ("isbn,file\n1,a.jpg\n", [("1", "a.jpg", "", None)]),
        ("\ufeffisbn;file\r\n1;a.jpg\r\n", [("1", "a.jpg", "", None)]),
        ("\ufeff1,a.jpg\n", [("1", "a.jpg", "", None)]),
        ("Date,Source,FILE, ISBN \n5,loc,a.jpg,1\n", [("1", "a.jpg", "loc", 5)]),
        ("title,isbn,file\nEmma,1,a.jpg\n", [("1", "a.jpg", "", None)]),
        ('isbn,file\n1,"a, b.jpg"\n', [("1", "a, b.jpg", "", None)]),
        (" 1 , a.jpg \n", [("1", "a.jpg", "", None)]),
        ("\n\n1,a.jpg\n\n,,\n2,b.jpg\n", [("1", "a.jpg", "", None), ("2", "b.jpg", "", None)]),
        ("1,a.jpg,,2008-08-04\n", [("1", "a.jpg", "", 1_217_808_000)]),
        ("1,a.jpg,,2008-08-04T02:00:00+02:00\n", [("1", "a.jpg", "", 1_217_808_000)]),
        ("1,a.jpg,,2008-08-04T00:00:00Z\n", [("1", "a.jpg", "", 1_217_808_000)]),
        ("1,a.jpg,,0\n", [("1", "a.jpg", "", 0)]),
        ("1\n2,b.jpg\n", ["row", ("2", "b.jpg", "", None)]),
        (",a.jpg\n", ["row"]),
        ("1,a.jpg,,yesterday\n2,b.jpg,,1969-12-31\n3,c.jpg,,-5\n4,d.jpg,,\u0664\n", ["date"] * 4),
        ("", []),
        ("isbn,file\n", []),
        (
            "Titel;ISBN-13;Bild\nEmma;1;a.jpg\nPersuasion;2;b.jpg\n",
            [("1", "a.jpg", "", None), ("2", "b.jpg", "", None)],
        ),
        ("isbn,image\n1,a.jpg\n", [("1", "a.jpg", "", None)]),
        ("ISBN 13\tCover File\n1\ta.jpg\n", [("1", "a.jpg", "", None)]),
        ("isbn_13,file_name,Quelle,Datum\n1,a.jpg,loc,5\n", [("1", "a.jpg", "loc", 5)]),
        ("EAN;Dateiname\n1;a.jpg\n", [("1", "a.jpg", "", None)]),
        (f'isbn,file\n1,"a.jpg\n{BOOK},b.jpg\n', ["row", (BOOK, "b.jpg", "", None)]),
        (
            f'1,a "b.jpg\n{BOOK},"b".jpg\n2,c.jpg\n',
            [("1", 'a "b.jpg', "", None), "row", ("2", "c.jpg", "", None)],
        ),
        (
            f'1,"a.jpg\n2,"b.jpg"\n{BOOK},c.jpg\n',
            ["row", ("2", "b.jpg", "", None), (BOOK, "c.jpg", "", None)],
        ),
        (f'file,ISBN,ISBN13\na.jpg,"=""""","=""{BOOK}"""\n', [(f'="{BOOK}"', "a.jpg", "", None)]),
        (
            f"file,ISBN,ISBN13\na.jpg,,{BOOK}\nb.jpg,junk,{BOOK}\nc.jpg,0545010225,{BOOK}\nd.jpg,,\n",
            [(BOOK, "a.jpg", "", None), (BOOK, "b.jpg", "", None), ("0545010225", "c.jpg", "", None), "row"],
        ),
        (f"Titel;ISBN\nEmma;{BOOK}\nPersuasion;{BOOK}\n", ["header"]),
        (f"Nummer;Umschlag\n{BOOK};a.jpg\n", ["header", (BOOK, "a.jpg", "", None)]),
        (f"Titel;Nummer;Grafik\nEmma;{BOOK};a.jpg\nEmma;{BOOK};b.jpg\n", ["header"]),
        ("isbn\n1\n2\n", ["header"]),
        ("isbn|file\n1|a.jpg\n", [("1", "a.jpg", "", None)]),
        (f"isbn,file\n{BOOK} | 0545010225,a.jpg\n", [(f"{BOOK} | 0545010225", "a.jpg", "", None)]),
    ],
)
def test_a_list_is_read_as_people_write_it(library: Library, text: str, rows: list[Any]) -> None:
    """With or without a header, by comma, tab or semicolon, with a BOM, columns anyhow; bad rows are told."""
    assert listed(library, text) == rows


@pytest.mark.parametrize(
    "date", ["20080804", "2008-08-04", "1217808000", "2008-W32-1", "2008-08-04T02:00+02:00"]
)
def test_a_date_is_read_as_people_write_it(library: Library, date: str) -> None:
    """Eight digits are a day as ONIX and MARC write it, not a second of August 1970."""
    assert listed(library, f"1,a.jpg,,{date}\n") == [("1", "a.jpg", "", 1_217_808_000)]


@pytest.mark.parametrize("date", ["2008", "39664", "20081399", "04.08.2008", "8/4/2008"])
def test_a_date_that_can_only_be_guessed_is_refused(library: Library, date: str) -> None:
    """A year, a spreadsheet's count of days and other orders of day and month are told, not guessed."""
    assert listed(library, f"1,a.jpg,,{date}\n") == ["date"]


@pytest.mark.parametrize(
    "date", ["1217808000000", "99999999999999999999", "9" * 400, "253402300800", "9999-12-31T23:59:59-14:00"]
)
def test_a_date_that_no_file_can_have_is_refused(library: Library, date: str) -> None:
    """Milliseconds, or a year past 9999, is a mistake in the row: no Last-Modified could say it."""
    assert listed(library, f"1,a.jpg,,{date}\n") == ["date"]


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-16-be-bom", "utf-32"],
)
def test_a_list_is_read_in_the_encodings_of_spreadsheets(library: Library, encoding: str) -> None:
    """UTF-8, UTF-16 and UTF-32, with a BOM or without, in either order of bytes."""
    text = f"isbn,file\r\n{BOOK},\u00fcber.jpg\r\n{OTHERS[0]},b.jpg\r\n"
    bom = b"\xfe\xff" if encoding.endswith("bom") else b""
    body = bom + text.encode(encoding.removesuffix("-bom"))
    assert listed(library, body) == [(BOOK, "\u00fcber.jpg", "", None), (OTHERS[0], "b.jpg", "", None)]


def test_numbers_that_a_spreadsheet_changed(library: Library) -> None:
    """A whole number with `.0` is itself; one with an exponent has lost digits, and the refusal says so."""
    library.put("a.jpg", images.small_jpeg())
    report = library.take_in(
        library.put("floats.csv", f"isbn,file\n{BOOK}.0,a.jpg\n9.78014E+12,a.jpg\n".encode())
    )
    assert (report.added, [one.identifier.value for one in library.all_originals()]) == (1, [BOOK])
    assert [one.detail for one in library.refusals] == [
        "a spreadsheet has rounded it; format the column as text"
    ]


def test_a_source_in_the_list_goes_before_the_commands(library: Library) -> None:
    """`--source` is for the rows that name none."""
    assert listed(library, "1,a.jpg,loc\n2,b.jpg,\n", source="all") == [
        ("1", "a.jpg", "loc", None), ("2", "b.jpg", "all", None),
    ]  # fmt: skip


def test_paths_of_a_list_count_from_its_folder(library: Library) -> None:
    """A list may be moved with its covers; absolute paths stand."""
    path = library.put("lists/covers.tsv", b"1\t../a.jpg\n2\t/b.jpg\n")
    found = [one.path for one in offered(path, Sender()) if isinstance(one, Candidate)]
    assert found == [library.covers / "lists/../a.jpg", Path("/b.jpg")]


def test_file_names_in_any_encoding_are_found(library: Library) -> None:
    """A Latin-1 name in a list finds the file of that name, byte by byte."""
    raw = os.fsencode(library.covers) + b"/\xfcber.jpg"
    Path(os.fsdecode(raw)).write_bytes(images.small_jpeg())
    path = library.put("covers.csv", BOOK.encode() + b",\xfcber.jpg\n")
    assert library.take_in(path).added == 1


controls = "".join(map(chr, range(32))).translate({ord(each): None for each in "\t\r\n"})  # of no text
cells = st.text(
    st.characters(codec="utf-8", exclude_characters=controls + "\ufeff"), min_size=1, max_size=12
).map(str.strip)
rows_of_cells = st.lists(
    st.tuples(
        st.integers(0, 10**13).map(str), cells.filter(bool), cells, st.none() | st.integers(10**8, 2**31)
    ),
    max_size=6,
)


@given(rows=rows_of_cells, has_header=st.booleans(), order=st.permutations(range(4)))
def test_what_a_spreadsheet_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], has_header: bool, order: list[int]
) -> None:
    """Any list that the csv module writes is read back, row by row, its columns in any named order."""
    path = tmp_path_factory.getbasetemp() / "any.csv"
    order = order if has_header else [0, 1, 2, 3]
    names = ("isbn", "file", "source", "date")
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow([names[at] for at in order] if has_header else ["0", "first.jpg"])
    writer.writerows([["" if row[at] is None else row[at] for at in order] for row in rows])
    path.write_text(written.getvalue(), encoding="utf-8", newline="")
    first, *_ = written.getvalue().splitlines()
    found = list(offered(path, Sender()))[0 if has_header else 1 :]
    assert "," in first
    assert found == [Candidate(isbn, path.parent / file, source, date) for isbn, file, source, date in rows]


@pytest.mark.parametrize(
    "row",
    [f"{BOOK},a\0b.jpg", f"{BOOK},{'x' * 200_000}", f'{BOOK},"never closed', f"{BOOK},.", f"{BOOK},,,,,,,,",
     f"{BOOK},a.jpg,,99999999999999999999", "\x00\x01\x02", "\xff\xfe"],
)  # fmt: skip
def test_a_bad_row_costs_only_itself(library: Library, row: str) -> None:
    """Whatever stands in a row, it is refused and the rows around it are taken in."""
    for name in ("a.jpg", "b.jpg"):
        library.put(name, images.distinct(images.small_jpeg(), ord(name[0])))
    text = f"{OTHERS[0]},a.jpg\n{row}\n"
    text += f"{OTHERS[1]},b.jpg\n"
    report = library.take_in(library.put("covers.csv", text.encode("utf-8", "surrogateescape")))
    assert report.added == len(library.all_originals()) == 2
    assert report.refused.total() == 1


# --- how files come to their place


def test_copy_makes_a_file_of_its_own(library: Library) -> None:
    """A copy has the original's bytes, time and no tie to it."""
    found = library.put(f"{BOOK}.jpg", images.drawn("jpeg-420"))
    library.take_in(mode="copy")
    (stored,) = library.stored()
    assert stored.read_bytes() == images.drawn("jpeg-420")
    assert (stored.stat().st_ino == found.stat().st_ino, found.stat().st_nlink) == (False, 1)
    assert stored.stat().st_mtime == 1_217_808_000
    assert stored.stat().st_mode & 0o777 == 0o644
    found.unlink()
    assert library.is_consistent()


def test_link_is_the_same_file(library: Library) -> None:
    """A hard link costs no bytes, and leaves the operator's file as it was, its time too."""
    found = library.put(f"{BOOK}.jpg", images.drawn("jpeg-420"))
    path = library.put("covers.csv", f"{BOOK},{BOOK}.jpg,,5".encode())
    library.take_in(path, mode="link")
    (stored,) = library.stored()
    assert stored.stat().st_ino == found.stat().st_ino
    assert (stored.stat().st_nlink, stored.stat().st_mtime) == (2, 1_217_808_000)
    assert library.originals()[0].date == 5


def test_link_follows_a_symlink(library: Library) -> None:
    """A symlink in the folder is linked as the picture it leads to, not as the symlink."""
    library.put("store/1.jpg", images.small_jpeg())
    (library.covers / "names").mkdir()
    (library.covers / "names" / f"{BOOK}.jpg").symlink_to("../store/1.jpg")
    assert library.take_in(library.covers / "names", mode="link").added == 1
    assert library.is_consistent()


def test_reference_leaves_files_where_they_are(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A referenced file is known by its absolute path, and nothing is stored; a relative PATH will do."""
    found = library.put(f"{BOOK}.jpg", images.drawn("jpeg-420"))
    monkeypatch.chdir(library.covers.parent)
    assert library.take_in(Path("covers"), mode="reference").added == 1
    assert library.originals()[0].path == str(found)
    assert library.stored() == set()
    assert library.is_consistent()


@pytest.mark.parametrize(
    "modes", list(itertools.permutations(["copy", "link", "reference"], 2)), ids="-".join
)
def test_another_mode_leaves_nothing_behind(library: Library, modes: tuple[str, str]) -> None:
    """Importing a folder again in another mode changes where its files lie, and keeps one of each."""
    library.put(f"{BOOK}.jpg", images.drawn("jpeg-420"))
    for mode in modes:
        library.take_in(mode=mode)
    assert len(library.originals()) == 1
    assert library.is_consistent()


@pytest.mark.parametrize("mode", ["copy", "link", "reference"])
def test_again_adds_nothing(library: Library, mode: str) -> None:
    """A second run over the same files finds all of them in already, and touches none."""
    fill(library, 20)
    assert library.take_in(mode=mode).added == 20
    before = {path: path.stat().st_mtime_ns for path in library.stored()}
    report = library.take_in(mode=mode)
    assert (report.seen, report.added, report.already, report.bytes) == (20, 0, 20, 0)
    assert {path: path.stat().st_mtime_ns for path in library.stored()} == before
    assert library.is_consistent()


def test_a_faulty_original_is_tried_again(library: Library) -> None:
    """Taking in what was found faulty forgets the fault: a newer decoder may read it."""
    library.put(f"{BOOK}.jpg", images.drawn("jpeg-420"))
    library.take_in()
    with library.shelf() as shelf:
        shelf.catalogue.mark_faulty(library.originals()[0], "decode: cut")
    assert library.take_in().added == 1
    assert library.originals()[0].fault is None


def test_one_book_keeps_several_originals(library: Library) -> None:
    """Two files for one ISBN are two originals, best first."""
    library.put(f"a/{BOOK}.jpg", images.jpeg(images.cover(100, 150)))
    library.put(f"b/{BOOK}.jpg", images.jpeg(images.cover(200, 300)))
    assert library.take_in().added == 2
    assert [one.width for one in library.originals()] == [200, 100]
    assert library.is_consistent()


# --- what happens to derivatives


def test_a_better_original_drops_what_was_made_of_the_old(library: Library) -> None:
    """The next visitor gets a cover made from the better picture, in every format."""
    library.put(f"{BOOK}.jpg", images.jpeg(images.cover(100, 150)))
    library.put(f"{OTHERS[0]}.jpg", images.small_jpeg())
    library.take_in()
    are_there = [library.make_derivative(BOOK), library.make_derivative(BOOK, Format.WEBP)]
    other_is_there = library.make_derivative(OTHERS[0])
    library.put(f"new/{BOOK}.jpg", images.jpeg(images.cover(200, 300)))
    library.take_in()
    assert [is_there() for is_there in are_there] == [False, False]
    assert other_is_there()


def test_again_drops_no_derivative(library: Library) -> None:
    """A second run over the same files costs nobody a cover that is made."""
    library.put(f"{BOOK}.jpg", images.small_jpeg())
    library.take_in()
    is_there = library.make_derivative()
    library.take_in()
    assert is_there()


def test_an_interruption_before_old_derivatives_are_dropped_is_made_up_for(library: Library) -> None:
    """Ctrl-C when the better original is in and its derivatives not yet dropped: the next run drops them."""
    library.put(f"{BOOK}.jpg", images.jpeg(images.cover(100, 150)))
    library.take_in()
    is_there = library.make_derivative()
    library.put(f"new/{BOOK}.jpg", images.jpeg(images.cover(200, 300)))
    # As a server does that makes this very cover: the import has to wait before it drops anything.
    with library.shelf() as shelf, shelf.stripes.held(f"small/isbn/{BOOK}.jpg"):
        process = start(library.covers, "--data", library.data, "--json")
        within(90, lambda: len(shelf.catalogue.find(Identifier(ISBN, BOOK))) == 2)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    library.take_in()
    assert not is_there()


# --- "no image" art


@pytest.mark.parametrize("count", [3, 4, 5, 8, 12])
def test_one_picture_for_many_books_is_none(library: Library, count: int) -> None:
    """The same bytes for books of many publishers are refused for all of them, for latecomers too."""
    for isbn in strangers(count):
        library.put(f"{isbn}.jpg", images.small_jpeg())
    library.put(f"{BOOK}.jpg", images.drawn("jpeg-420"))
    report = library.take_in()
    assert [one.identifier.value for one in library.all_originals()] == [BOOK]
    assert (report.seen, report.added, report.refused) == (count + 1, 1, {"same-bytes": count})
    assert Counter(refusal.isbn for refusal in library.refusals) == Counter(strangers(count))
    assert report.bytes == len(images.drawn("jpeg-420"))
    assert library.is_consistent()


def test_editions_may_share_a_picture(library: Library) -> None:
    """Four ISBNs of one publisher, or two of two, keep their cover."""
    for isbn in OTHERS[:4]:
        library.put(f"{isbn}.jpg", images.small_jpeg())
    for isbn in strangers(2):
        library.put(f"{isbn}.jpg", images.drawn("jpeg-420"))
    report = library.take_in()
    assert (report.added, report.refused) == (6, {})


def test_art_is_found_out_over_several_runs(library: Library) -> None:
    """The third publisher, runs later, takes it from the first two, and drops what was made of it."""
    first, second, third, fourth = strangers(4)
    reports, are_there = [], []
    for isbn in (first, second):
        library.put(f"{isbn}.jpg", images.small_jpeg())
        reports.append(library.take_in())
        are_there.append(library.make_derivative(isbn))
    assert [report.added for report in reports] == [1, 1]
    library.put(f"{third}.jpg", images.small_jpeg())
    report = library.take_in()
    assert library.all_originals() == []
    assert [is_there() for is_there in are_there] == [False, False]
    assert report.refused["same-bytes"] == 3
    assert library.stored() == set()
    library.put(f"{fourth}.jpg", images.small_jpeg())
    again = library.take_in()
    assert (again.added, again.refused) == (0, {"same-bytes": 4})


def test_a_report_counts_nothing_below_zero(library: Library) -> None:
    """What earlier runs took in and this one takes back is not counted as added fewer than none."""
    first, second, third = strangers(3)
    for isbn in (first, second):
        library.put(f"{isbn}.jpg", images.small_jpeg())
    library.take_in()
    report = library.take_in(library.put(f"{third}.jpg", images.small_jpeg()))
    assert (report.seen, report.added, report.bytes) == (1, 0, 0)


def test_a_book_falls_back_to_its_other_original(library: Library) -> None:
    """Taking art back from a book leaves it the cover that it had besides."""
    first, *others = strangers(3)
    library.put(f"real/{first}.jpg", images.jpeg(images.cover(30, 45)))
    for isbn in (first, *others):
        library.put(f"art/{isbn}.jpg", images.drawn("jpeg-420"))
    library.take_in()
    assert [(one.identifier.value, one.width) for one in library.all_originals()] == [(first, 30)]
    assert library.is_consistent()


def test_art_that_is_referenced_stays_the_operators(library: Library) -> None:
    """In reference mode bytes are refused, and no file of the operator's is removed."""
    paths = [library.put(f"{isbn}.jpg", images.small_jpeg()) for isbn in strangers(4)]
    assert library.take_in(mode="reference").refused == {"same-bytes": 4}
    assert library.all_originals() == []
    assert [path.read_bytes() for path in paths] == [images.small_jpeg()] * 4


def test_an_interruption_while_art_is_taken_back_breaks_no_promise(library: Library) -> None:
    """Ctrl-C in the middle of taking a picture back: what is in the catalogue still has its file."""

    def interrupt(refusal: Refusal) -> None:
        raise KeyboardInterrupt

    first, second, third = strangers(3)
    for isbn in (first, second):
        library.put(f"{isbn}.jpg", images.small_jpeg())
    library.take_in()
    assert library.take_in(library.put(f"{third}.jpg", images.small_jpeg()), on_refusal=interrupt).interrupted
    with library.shelf() as shelf:
        lost = [one for one in library.all_originals() if not shelf.files.path(one).exists()]
    assert lost == []


# --- the command


def within(seconds: float, is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)


def test_the_command_answers_in_json(library: Library) -> None:
    """Programs get one line: what was seen, added, in already and refused, and where the report lies."""
    library.put(f"{BOOK}.jpg", images.small_jpeg())
    library.put(f"{OTHERS[0]}.jpg", b"<html>")
    library.put("cover.jpg", images.small_jpeg())
    told = run(library, code=3)
    report = Path(told.pop("report"))
    assert told == {
        "seen": 3, "added": 1, "already": 0, "replaced": 0, "lesser": 0, "damaged": 0, "passed": 0,
        "withdrawn": 0, "linked": 0, "bytes": len(images.small_jpeg()),
        "refused": {"type": 1, "isbn": 1}, "interrupted": False, "unremoved": "",
    }  # fmt: skip
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert report.parent == library.data / "imports"
    assert {(line["path"], line["isbn"], line["reason"]) for line in lines} == {
        (str(library.covers / f"{OTHERS[0]}.jpg"), OTHERS[0], "type"),
        (str(library.covers / "cover.jpg"), "cover", "isbn"),
    }
    assert all(line["detail"] for line in lines)
    library.put(f"{OTHERS[0]}.jpg", images.drawn("gif"))
    (library.covers / "cover.jpg").unlink()
    assert run(library) == {
        "seen": 2, "added": 1, "already": 1, "replaced": 0, "lesser": 0, "damaged": 0,
        "passed": 0, "withdrawn": 0, "linked": 0, "bytes": len(images.drawn("gif")), "refused": {},
        "interrupted": False, "unremoved": "", "report": None,
    }  # fmt: skip


def test_the_command_answers_people(library: Library) -> None:
    """People get a summary: how many, why some were refused, and where each refusal stands."""
    library.put(f"{BOOK}.jpg", images.small_jpeg())
    library.put("cover.jpg", images.small_jpeg())
    library.put("cover2.jpg", images.small_jpeg())
    refused = library.data / "refused.jsonl"
    done = ended("import", library.covers, "--data", library.data, "--report", refused)
    assert done.returncode == 3
    first, second, third = done.stdout.splitlines()
    assert first == "3 files: 1 cover added (0.0 MB), 0 already there, 2 refused"
    assert second.split() == ["2", "isbn"]
    assert third.endswith(str(refused))
    assert len(refused.read_text().splitlines()) == 2


def test_the_command_takes_a_mode_and_a_source(library: Library) -> None:
    """`--mode` and `--source` reach the catalogue."""
    found = library.put(f"{BOOK}.jpg", images.small_jpeg())
    run(library, library.covers, "--mode", "reference", "--source", "members")
    assert [(one.path, one.source) for one in library.originals()] == [(str(found), "members")]


def test_a_path_that_is_not_there_is_a_mistake_in_the_command(library: Library) -> None:
    """Exit code 2, with the path named, and no data folder made."""
    done = ended("import", library.covers / "nowhere", "--data", library.data)
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert not library.data.exists()


def zipped(*names: str) -> bytes:
    """A ZIP archive with files of these names."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return body.getvalue()


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("list.xlsx", zipped("[Content_Types].xml", "xl/workbook.xml"), "workbook"),
        ("list.ods", zipped("mimetype", "content.xml"), "workbook"),
        ("list.csv", zipped("xl/workbook.xml"), "workbook"),
        ("list.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "workbook"),
        ("list.csv.gz", b"\x1f\x8b\x08" + bytes(60), "gzip"),
        ("list.pdf", b"%PDF-1.7\n", "PDF"),
        ("list.csv", images.small_jpeg(), "picture"),
        ("list.txt", bytes(range(128)) * 4, "neither text nor a table"),
        ("passwd", b"root:x:0:0:root:/root:/bin/bash\n", "neither a picture nor a list"),
        ("list.json", b'{"isbn": 1}', "neither a picture nor a list"),
    ],
)
def test_what_is_no_source_of_covers_is_one_clear_line(
    library: Library, name: str, body: bytes, says: str
) -> None:
    """An archive, a workbook or any other file as PATH: one sentence, exit code 1, nothing made."""
    path = library.put(name, body)
    got = CliRunner().invoke(main, ["import", str(path), "--data", str(library.data)])
    assert got.exit_code == 1
    assert got.output.startswith(f"Error: {path}: ")
    assert says in got.output
    assert got.output.count("\n") == 1
    assert not library.data.exists()


@pytest.mark.parametrize("put", [None, "sub/.hidden", "empty.csv"])
def test_nothing_to_take_in_is_told(library: Library, put: str | None) -> None:
    """An empty folder or list: one sentence and exit code 1."""
    path = library.put(put, b"") if put else library.covers
    path = path if path.suffix == ".csv" else library.covers
    got = CliRunner().invoke(main, ["import", str(path), "--data", str(library.data)])
    assert (got.exit_code, got.output.count("\n")) == (1, 1)
    assert str(path) in got.output


def test_a_tab_separated_list_may_be_called_tab(library: Library) -> None:
    """list.tab is a list, as spreadsheets call one that is separated by tabs."""
    library.put("a.jpg", images.small_jpeg())
    assert library.take_in(library.put("list.tab", f"isbn\tfile\n{BOOK}\ta.jpg\n".encode())).added == 1


def test_the_exit_code_says_how_much_went_in(library: Library) -> None:
    """0 where all is in, 3 where some was refused, 1 where all was."""
    library.put("cover.jpg", images.small_jpeg())
    assert run(library, code=1)["added"] == 0
    library.put(f"{BOOK}.jpg", images.small_jpeg())
    assert run(library, code=3)["added"] == 1
    assert run(library, code=3)["already"] == 1
    (library.covers / "cover.jpg").unlink()
    assert run(library, code=0)["already"] == 1


def test_a_data_folder_that_cannot_be_made_is_one_clear_line(library: Library) -> None:
    """A file where the data folder should be: exit code 1, no traceback."""
    library.data.write_text("in the way")
    done = ended("import", library.covers, "--data", library.data)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert str(library.data) in done.stderr


def test_each_import_keeps_its_report(library: Library) -> None:
    """Imports that follow each other within a second don't write over each other's report."""
    library.put("cover.jpg", images.small_jpeg())
    told = [
        json.loads(
            CliRunner()
            .invoke(main, ["import", str(library.covers), "--data", str(library.data), "--json"])
            .output
        )
        for _ in range(3)
    ]
    assert len({each["report"] for each in told}) == 3


def test_the_data_folder_is_no_source_of_covers(library: Library) -> None:
    """`coverproxy import .` beside the data folder takes in neither its originals nor its derivatives."""
    library.put(f"{BOOK}.jpg", images.small_jpeg())
    library.data = library.covers / "coverproxy-data"
    run(library)
    library.make_derivative(BOOK)
    told = run(library)
    assert (told["seen"], told["added"], told["already"]) == (1, 0, 1)


def test_progress_is_told_in_plain_lines_where_nobody_watches(library: Library) -> None:
    """Into a pipe or a log, a line every two seconds says how far it is and how fast; never a bar."""
    with library.shelf():
        fill(library, 600)
    with held(library.data / "catalogue.db"):  # nothing can be entered, and its clock goes on
        process = start(library.covers, "--data", library.data)
        within(60, lambda: any((library.data / "originals").rglob("97*")))  # the clock runs by the first
        time.sleep(2.3)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    first, *_ = err.splitlines()
    words = first.replace(",", "").split()
    assert words[1:4] == ["of", "600", "files"]
    assert 0 < int(words[0]) <= 600
    assert words[4].endswith("/s")
    assert "\x1b" not in err


def test_an_interrupted_import_goes_on_where_it_was(library: Library) -> None:
    """Ctrl-C at any moment: exit code 130, nothing half done, and the same command takes in the rest."""
    books = fill(library, MANY)
    known = 0
    for _ in range(2):
        process = start(library.covers, "--data", library.data, "--json")
        before = known
        within(90, lambda: library.entered() > before)  # noqa: B023 - it is over within this round
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (130, "")
        told = json.loads(out)
        assert told["interrupted"]
        assert told["seen"] == told["added"] + told["already"] < MANY
        assert list((library.data / "originals" / "tmp").iterdir()) == []
        known = library.entered()
    told = run(library)
    assert (told["seen"], told["added"] + told["already"], told["refused"]) == (MANY, MANY, {})
    assert told["already"] > 0
    assert {one.identifier.value for one in library.all_originals()} == set(books)
    assert library.is_consistent()


def test_a_killed_import_goes_on_where_it_was(library: Library) -> None:
    """kill -9 leaves no row without its file; the next run sweeps what lies about and takes in the rest."""
    fill(library, MANY)
    process = start(library.covers, "--data", library.data, "--json")
    within(90, lambda: any((library.data / "originals").glob("[0-9]*")))
    time.sleep(0.1)
    process.kill()
    process.communicate(timeout=60)
    with library.shelf() as shelf:
        assert [one for one in library.all_originals() if not shelf.files.path(one).exists()] == []
    run(library)
    assert len(library.all_originals()) == MANY
    assert library.is_consistent()


def test_two_imports_at_once_do_not_disturb_each_other(library: Library) -> None:
    """The same folder in two processes at a time: each cover is in once."""
    fill(library, 600)
    both = [start(library.covers, "--data", library.data, "--json") for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
    assert len(library.all_originals()) == 600
    assert library.is_consistent()


# --- pictures of others


@pytest.mark.skipif(
    not (SHARED / "data/covers").is_dir(), reason="the real covers are not beside the project"
)
def test_real_covers_are_taken_in_and_no_image_art_is_not(library: Library) -> None:
    """Of 91 downloaded covers all art that the rules can tell is refused, and every other one is in."""
    with (SHARED / "data/covers.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    told = run(library, SHARED / "data/covers", code=3)
    sharing = defaultdict(set)
    for row in rows:
        digest = hashlib.sha256((SHARED / "data/covers" / row["file"]).read_bytes()).digest()
        sharing[digest].add(row["isbn13"])
    shared = [isbns for isbns in sharing.values() if len(isbns) >= 5 or len({i[:7] for i in isbns}) >= 3]
    tiny = {row["isbn13"] for row in rows if min(int(row["width"]), int(row["height"])) < 20}
    expected = tiny.union(*shared)
    art = {row["isbn13"] for row in rows if "PLACEHOLDER" in row["note"]}
    assert expected <= art
    assert len(expected) >= 8
    taken = {one.identifier.value for one in library.all_originals()}
    assert taken == {row["isbn13"] for row in rows} - expected
    assert told["added"] == len(taken)
    assert sum(told["refused"].values()) == len(expected)
    sides = {row["isbn13"]: (int(row["width"]), int(row["height"])) for row in rows}
    assert {one.identifier.value: (one.width, one.height) for one in library.all_originals()} == {
        isbn: sides[isbn] for isbn in taken
    }
    assert library.is_consistent()


RENDER_ALL = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from coverproxy.config import load
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format, dimensions
from coverproxy.imaging.decoder import ProcessDecoder, render_processes
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.wiring.data_folder import open_shelf
config = load(None, {}, {"data": {"dir": sys.argv[1]}})
processes = render_processes(config, 1)
render = ProcessDecoder(processes).render
with open_shelf(config) as shelf:
    for isbn in sys.argv[2:]:
        for original in shelf.catalogue.find(Identifier(ISBN, isbn)):
            started = time.monotonic()
            try:
                made = render(shelf.files.read(original, config.limits.max_bytes), config.sizes["medium"],
                              Format.JPEG, config.limits)
                outcome = "made" if dimensions(made.body, Format.JPEG) == made.size else "torn"
            except UnusableOriginal as exc:
                outcome = exc.reason
            print(json.dumps([isbn, outcome, time.monotonic() - started]))
processes.close()
print(json.dumps(["peak", "MB", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]))
"""


def render_all(library: Library, isbns: list[str], scratch: Path) -> tuple[dict[str, str], float]:
    """Render the originals of books as the service does, in a process beside: outcomes, its peak in MB."""
    scratch.mkdir()
    process = subprocess.run(
        [sys.executable, "-c", RENDER_ALL, str(library.data), *isbns], cwd=scratch, text=True, timeout=100,
        capture_output=True, env={"PYTHONPATH": str(ROOT), "TMPDIR": str(scratch)}, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr[-2000:]
    *lines, (_, _, peak) = [json.loads(line) for line in process.stdout.splitlines()]
    assert max(seconds for _, _, seconds in lines) < 10
    assert list(scratch.iterdir()) == []
    return {isbn: outcome for isbn, outcome, _ in lines}, peak


@pytest.mark.skipif(
    not (SHARED / "data/covers").is_dir(), reason="the real covers are not beside the project"
)
def test_real_covers_are_rendered(library: Library, tmp_path: Path) -> None:
    """Every downloaded cover that is in becomes a derivative."""
    library.take_in(SHARED / "data/covers", mode="reference")
    isbns = [one.identifier.value for one in library.all_originals()]
    outcomes, _ = render_all(library, isbns, tmp_path / "scratch")
    assert set(outcomes) == set(isbns)
    assert {isbn: outcome for isbn, outcome in outcomes.items() if outcome != "made"} == {}


@pytest.mark.skipif(
    not (SHARED / "data/hostile").is_dir(), reason="the hostile files are not beside the project"
)
def test_hostile_files_are_refused_or_survived(library: Library, tmp_path: Path) -> None:
    """Fuzzers' finds, bombs and exploits: none crashes, hangs, takes much memory or leaves a file behind."""
    hostile = sorted(path for path in (SHARED / "data/hostile").rglob("*") if path.is_file())
    names = dict(zip(strangers(len(hostile)), hostile, strict=False))
    rows = "".join(f'{isbn},"{path}"\n' for isbn, path in names.items())
    arguments = map(
        str, ("import", library.put("hostile.csv", rows.encode()), "--data", library.data, "--json")
    )
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (3, "")
    told = json.loads(done.stdout)
    assert told["seen"] == told["added"] + sum(told["refused"].values()) == len(names) > 100
    taken = [one.identifier.value for one in library.all_originals()]
    script_kinds = {names[isbn].suffix for isbn in taken} & {".svg", ".mvg", ".msl", ".html"}
    assert script_kinds == set()
    outcomes, peak = render_all(library, taken, tmp_path / "scratch")
    assert set(outcomes.values()) <= {"made", "header", "limit", "decode", "thin"}
    assert "made" in outcomes.values()
    assert peak < 800
