"""What a cover that comes again does to the one before it: it replaces it, and clients notice."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import images
import pytest
from conftest import UNCOVERED, Got, Running, take_in
from library import BOOK, OTHERS, Library, strangers

from coverproxy.domain.original import GONE
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.service.maker import GONE_SECONDS

LARGE = images.jpeg(images.solid(images.RED, 600, 900))
LITTLE = images.jpeg(images.solid(images.BLUE, 500, 750))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty folder of covers, and no data folder yet."""
    return Library(tmp_path)


def sizes(library: Library, isbn: str = BOOK) -> list[int]:
    """The widths of a book's originals, best first."""
    return [one.width for one in library.originals(isbn)]


# --- a file takes its predecessor's place


def test_a_file_replaces_what_came_under_its_path(library: Library) -> None:
    """The same path again, with fewer pixels: the new picture is shown, and nothing is left of the old."""
    path = library.put(f"{BOOK}.jpg", LARGE)
    library.take_in(source="monday")
    path.write_bytes(LITTLE)
    report = library.take_in(source="tuesday")
    assert (report.added, report.replaced, report.lesser) == (1, 1, 0)
    assert sizes(library) == [500]
    assert library.is_consistent()


@pytest.mark.parametrize("source", ["", "publisher"])
def test_a_file_replaces_what_its_source_gave(library: Library, source: str) -> None:
    """Another folder from the same source, as who names none: the later delivery stands."""
    library.put(f"1/{BOOK}.jpg", LARGE)
    library.put(f"2/{BOOK}.jpg", LITTLE)
    library.take_in(library.covers / "1", source)
    assert library.take_in(library.covers / "2", source).replaced == 1
    assert sizes(library) == [500]


def test_another_source_replaces_nothing(library: Library) -> None:
    """What another source gave stays beside it, and the import says that its own is not shown."""
    library.put(f"1/{BOOK}.jpg", LARGE)
    library.put(f"2/{BOOK}.jpg", LITTLE)
    library.take_in(library.covers / "1", "publisher")
    report = library.take_in(library.covers / "2", "librarian")
    assert (report.added, report.replaced, report.lesser) == (1, 0, 1)
    assert sizes(library) == [600, 500]


def test_one_run_keeps_all_and_shows_the_best(library: Library) -> None:
    """Several files of one book in one folder replace none of each other, in a second run neither."""
    for name, body in (("a", LITTLE), ("b", LARGE), ("c", images.small_jpeg())):
        library.put(f"{name}/{BOOK}.jpg", body)
    report = library.take_in()
    assert (report.added, report.replaced, report.lesser) == (3, 0, 2)
    assert sizes(library) == [600, 500, 40]
    library.put(f"d/{BOOK}.jpg", images.small_jpeg(80, 120))
    report = library.take_in()
    assert (report.added, report.already, report.replaced, report.lesser) == (1, 3, 0, 1)
    assert sizes(library) == [600, 500, 80, 40]


def test_a_list_replaces_what_its_last_edition_named(library: Library) -> None:
    """A list that names another file for a book, of the same size and date: the one it names is shown."""
    for number in range(6):
        library.put(f"{number}.jpg", images.jpeg(images.solid((10 * number, 200, 90), 60, 90)))
        library.put("list.csv", f"isbn,file,source,date\n{BOOK},{number}.jpg,feed,2024-05-01\n".encode())
        library.take_in(library.covers / "list.csv")
        (shown,) = library.originals()
        assert shown.origin == str(library.covers / f"{number}.jpg")


def test_a_pinned_original_is_not_replaced(library: Library) -> None:
    """What a person chose stays until a person chooses otherwise."""
    path = library.put(f"{BOOK}.jpg", LARGE)
    library.take_in()
    with library.shelf() as shelf:
        (one,) = shelf.catalogue.find(Identifier(ISBN, BOOK))
        shelf.catalogue.add(replace(one, is_pinned=True))
    path.write_bytes(images.jpeg(images.cover(800, 1200)))
    report = library.take_in()
    assert (report.replaced, report.lesser) == (0, 1)
    assert sizes(library) == [600, 800]


def test_the_command_says_what_is_not_shown(library: Library) -> None:
    """An import says how many of its covers are not the best of their book, and what to do."""
    from running import run

    library.put(f"1/{BOOK}.jpg", LARGE)
    library.put(f"2/{BOOK}.jpg", LITTLE)
    run("import", library.covers / "1", "--source", "publisher", data=library.data)
    said = run("import", library.covers / "2", "--source", "librarian", data=library.data)
    assert "1 of them is not the best of its book" in said
    assert "coverproxy originals pin" in said


# --- front before back


@pytest.mark.parametrize(
    "name",
    ["_back", "_spine", "-rear", "_int1", "_interior", "_author", "_sample", "_back_cover", "-inside2"],
)
def test_the_front_is_shown(library: Library, name: str) -> None:
    """A larger picture of another side, by the word behind the ISBN, never stands before the front."""
    library.put(f"{BOOK}_front.jpg", LITTLE)
    library.put(f"{BOOK}{name}.jpg", LARGE)
    assert library.take_in().added == 2
    assert sizes(library) == [500, 600]


@pytest.mark.parametrize("name", ["-back-to-methuselah", "_cover", "-L", "_front_back"])
def test_titles_are_no_sides(library: Library, name: str) -> None:
    """A title behind the ISBN that has such a word, or words for the front, say nothing of another side."""
    library.put(f"{BOOK}{name}.jpg", LARGE)
    library.take_in()
    assert library.originals()[0].role is None


# --- "no image" art, asked anew


def seven(library: Library) -> None:
    """One picture under seven ISBNs of one publisher, as open access presses give it."""
    for number in range(7):
        library.put(f"{OTHERS[number]}.jpg", LARGE)


def test_seven_isbns_of_a_publisher_are_a_book(library: Library) -> None:
    """By default a book may have as many ISBNs as it is sold in ways."""
    seven(library)
    assert (library.take_in().added, library.refusals) == (7, [])


def test_changed_limits_let_refused_bytes_in(library: Library) -> None:
    """What was refused under tight limits comes in under wide ones; the report names file and rule."""
    seven(library)
    assert library.take_in(same_bytes_isbns=5).added == 0
    assert {one.path for one in library.refusals} == {
        str(library.covers / f"{isbn}.jpg") for isbn in OTHERS[:7]
    }
    assert all("import.same_bytes_isbns = 5" in one.detail for one in library.refusals)
    report = library.take_in(same_bytes_isbns=50)
    assert (report.added, report.refused) == (7, {})


def test_three_publishers_are_named(library: Library) -> None:
    """The rule about publishers says so, and stands under a wider limit of ISBNs."""
    for isbn in strangers(3):
        library.put(f"{isbn}.jpg", LARGE)
    library.take_in()
    assert all("3 ISBNs of 3 publishers" in one.detail for one in library.refusals)
    assert library.take_in(same_bytes_isbns=500).added == 0


# --- tags follow the picture


async def first(server: Running) -> Got:
    got = await server.get(server.path(UNCOVERED))
    assert got.cover == "made"
    return got


def replaced(server: Running, folder: Path, body: bytes, date: int) -> None:
    """Import a picture as a cover dated *date*."""
    path = folder / f"{UNCOVERED}.jpg"
    path.write_bytes(body)
    os.utime(path, (date, date))
    take_in(server.config, path, "copy")


def plain(number: int) -> bytes:
    """A plain picture, whose small derivative is padded to 2,048 bytes; each of its own colour."""
    return images.jpeg(images.solid((40 * number, 120, 200), 60, 90))


async def test_two_padded_pictures_have_two_tags(server: Running, tmp_path: Path) -> None:
    """Plain covers of one length and one date: each has a tag of its own, and is sent to who had another."""
    tags: set[str] = set()
    for number in range(4):
        replaced(server, tmp_path, plain(number), 1_217_808_000)
        etag = next(iter(tags), '"none"')
        got = await server.get(server.path(UNCOVERED, size="small"), If_None_Match=etag)
        assert (got.status, len(got.body)) == (200, 2048)
        tags.add(got.headers["ETag"])
    assert len(tags) == 4


async def test_an_older_picture_is_newer_for_clients(server: Running, tmp_path: Path) -> None:
    """A replacement with an earlier date of its own is sent to who asks by If-Modified-Since."""
    replaced(server, tmp_path, images.jpeg(images.cover(300, 450)), 1_714_521_600)
    old = await first(server)
    assert old.headers["Last-Modified"] == "Wed, 01 May 2024 00:00:00 GMT"
    replaced(server, tmp_path, images.jpeg(images.cover(600, 900)), 1_430_438_400)
    got = await server.get(server.path(UNCOVERED), If_Modified_Since=old.headers["Last-Modified"])
    assert (got.status, got.cover) == (200, "made")
    assert got.headers["X-Cover-Original"] == "600x900"


async def test_a_picture_that_comes_back_is_newer_again(server: Running, tmp_path: Path) -> None:
    """A, then B, then A: three tags, and Last-Modified never goes back."""
    seen = []
    for body in (plain(1), plain(2), plain(1)):
        replaced(server, tmp_path, body, 1_217_808_000)
        seen.append(await server.get(server.path(UNCOVERED, size="small")))
    assert len({one.headers["ETag"] for one in seen}) == 3
    dates = [one.headers["Last-Modified"] for one in seen]
    assert dates[0] == "Mon, 04 Aug 2008 00:00:00 GMT"
    assert len(set(dates)) == 3


# --- a file that somebody deleted


def later(server: Running) -> None:
    """Let the files that are away have been so for longer than counts as deleted."""
    away = server.service.maker._away
    away.update({digest: since - GONE_SECONDS for digest, since in away.items()})


async def test_a_deleted_file_gives_way_to_the_next(server: Running, tmp_path: Path) -> None:
    """An original deleted by hand: the next best is shown; with none left the cover is soon missing."""
    folder = tmp_path / "both"
    for name, body in (("large", LARGE), ("little", LITTLE)):
        (folder / name).mkdir(parents=True)
        (folder / name / f"{UNCOVERED}.jpg").write_bytes(body)
    take_in(server.config, folder, "copy")
    found = server.folder.catalogue.find(Identifier(ISBN, UNCOVERED))
    paths = [server.folder.files.path(one) for one in found]
    paths[0].unlink()
    assert (await server.get(server.path(UNCOVERED))).headers["X-Cover-Original"] == "500x750"
    paths[1].unlink()
    assert (await server.get(server.path(UNCOVERED, size="large"))).cover == "unavailable"
    later(server)
    assert (await server.get(server.path(UNCOVERED, size="large"))).cover == "missing"
    faults: list[Any] = [one.fault for one in server.folder.catalogue.find(Identifier(ISBN, UNCOVERED))]
    assert all(fault.startswith(GONE) for fault in faults)


async def test_a_file_that_is_back_is_shown_again(server: Running, tmp_path: Path) -> None:
    """A deleted original that is copied back from a backup needs no command."""
    replaced(server, tmp_path, LARGE, 1_217_808_000)
    (one,) = server.folder.catalogue.find(Identifier(ISBN, UNCOVERED))
    path = server.folder.files.path(one)
    body = path.read_bytes()
    path.unlink()
    assert (await server.get(server.path(UNCOVERED))).cover == "unavailable"
    later(server)
    assert (await server.get(server.path(UNCOVERED))).cover == "missing"
    path.write_bytes(body)
    got = await server.get(server.path(UNCOVERED, size="large"))
    assert (got.status, got.cover) == (200, "made")


async def test_a_disk_that_is_away_is_no_deletion(server: Running, tmp_path: Path) -> None:
    """Where the originals' folders are gone as well nothing is concluded: the cover is unavailable."""
    replaced(server, tmp_path, LARGE, 1_217_808_000)
    (one,) = server.folder.catalogue.find(Identifier(ISBN, UNCOVERED))
    path = server.folder.files.path(one)
    path.parent.rename(tmp_path / "away")
    assert (await server.get(server.path(UNCOVERED))).cover == "unavailable"
    (tmp_path / "away").rename(path.parent)
    assert (await server.get(server.path(UNCOVERED))).cover == "made"
