"""Open Library's dump of editions and archives of covers, made as its own tools make them."""

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.domain.item_title import ItemTitle
from coverproxy.feeds import openlibrary
from coverproxy.feeds.openlibrary import (
    Edition,
    UnreadLine,
    archive_names,
    cover_number,
    covers_of,
    editions,
    parts,
)
from coverproxy.feeds.record import FeedUnreadable, SentIdentifier


def line(kind: str = "/type/edition", **fields: Any) -> bytes:
    """A line of the dump."""
    key = fields.get("key", "/books/OL1M")
    body = orjson.dumps({"key": key, **fields})
    return b"\t".join([kind.encode(), key.encode(), b"3", b"2026-10-01T00:00:00", body]) + b"\n"


def read(*lines: bytes) -> list[Edition | UnreadLine | None]:
    return [found for _, found in editions(io.BytesIO(b"".join(lines)))]


def test_an_edition_with_a_cover() -> None:
    """Its identifiers, works and covers' numbers are read; its own key is an identifier too."""
    (found,) = read(
        line(
            key="/books/OL7M", isbn_13=["9780141439518"], isbn_10=["0141439513"], oclc_numbers=["123"],
            lccn=["n78-890351"], covers=[12345678, 5], works=[{"key": "/works/OL1W"}],
            title="Pride and Prejudice", subtitle="a novel",
        )
    )  # fmt: skip

    assert found == Edition(
        "/books/OL7M",
        (
            SentIdentifier("isbn", "9780141439518"), SentIdentifier("isbn", "0141439513"),
            SentIdentifier("oclc", "123"),
            SentIdentifier("lccn", "n78-890351"), SentIdentifier("olid", "OL7M"),
        ),
        ("/works/OL1W",),
        (12345678, 5),
        ItemTitle("Pride and Prejudice: a novel"),
    )  # fmt: skip


@pytest.mark.parametrize("covers", [None, [], [None], [-1], [None, -1], ["12"], 12, [True], [0]])
def test_an_edition_without_a_cover(covers: Any) -> None:
    """Nulls and -1 stand for none: some eighty thousand editions have them."""
    assert read(line(covers=covers), line()) == [None, None]


def test_dirt_between_covers_is_passed_over() -> None:
    """A null before a number does not hide the number; odd values of other fields are left out."""
    (found,) = read(
        line(covers=[None, -1, 7], works=["x", {"key": 3}], isbn_13="9780141439518", lccn=[None, " "])
    )

    assert isinstance(found, Edition)
    assert (found.covers, found.works, found.identifiers) == ((7,), (), (SentIdentifier("olid", "OL1M"),))


def test_identifiers_may_be_numbers() -> None:
    """Some lines have them without quotes; booleans and nulls among them name nothing."""
    (found,) = read(line(isbn_13=[9780141439518, True, None, 1.5], oclc_numbers=[123], covers=[7]))

    assert isinstance(found, Edition)
    assert [(each.scheme, each.text) for each in found.identifiers] == [
        ("isbn", "9780141439518"), ("oclc", "123"), ("olid", "OL1M"),
    ]  # fmt: skip


def test_lines_that_cannot_be_read_are_reported() -> None:
    """Each bad line says why, and the next is read."""
    bad = b'/type/edition\t/books/OL1M\t1\t2026\t{"covers": [1\n'
    array = b'/type/edition\t/books/OL1M\t1\t2026\t["covers"]\n'
    found = read(b"no tabs\n", bad, array, line("/type/work", covers=[1]), line(covers=[9]))

    assert [type(each) for each in found] == [UnreadLine, UnreadLine, UnreadLine, type(None), Edition]


def test_an_endless_line_is_refused() -> None:
    """A file without line ends is not held in memory."""
    with pytest.raises(FeedUnreadable, match="line 1: more than"):
        read(b"x" * (openlibrary.MAX_LINE_BYTES + 2))


@pytest.mark.parametrize(
    ("cover", "first"),
    [
        (12345678, "covers_0012_34.zip"), (8820000, "covers_0008_82.zip"), (8000001, "covers_0008_00.zip"),
        (7139999, "olcovers713.zip"), (1, "olcovers0.zip"),
    ],
)  # fmt: skip
def test_a_number_tells_its_archive(cover: int, first: str) -> None:
    """The archive's name follows from the cover's number."""
    assert archive_names(cover)[0] == first


@given(st.integers(1, 99_999_999))
def test_names_and_ranges_agree(cover: int) -> None:
    """Each archive that may hold a cover says that it holds it."""
    for name in archive_names(cover):
        assert cover in (covers_of(name) or ())


@pytest.mark.parametrize(
    "name", ["other.zip", "covers_12_34.zip", "s_covers_0012_34.zip", "olcovers.zip", "olcoversx.zip"]
)
def test_other_files_hold_no_covers(name: str) -> None:
    """A name of another kind, or of OL's small sizes, holds none."""
    assert covers_of(name) is None


@pytest.mark.parametrize(
    ("member", "cover"),
    [("0012345678.jpg", 12345678), ("12.jpg", 12), ("x/0012345678-L.jpg", 12345678), ("a.jpg", None),
     ("0012345678-S.jpg", None), ("0012345678.png", None), ("١٢.jpg", None)],
)  # fmt: skip
def test_a_member_tells_its_cover(member: str, cover: int | None) -> None:
    """Members are named by the number; small sizes and other files are not covers."""
    assert cover_number(member) == cover


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_parts_are_read_in_place(tmp_path: Path, kind: str) -> None:
    """Offset and length lead to each cover's very bytes in the archive."""
    covers = {12340000 + n: bytes([n]) * (100 + n) for n in range(5)}
    archive = tmp_path / f"covers_0012_34.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as made:
            for cover, body in covers.items():
                made.writestr(f"{cover:010d}.jpg", body)
            made.writestr("0012340099.jpg", b"\0" * 1000, zipfile.ZIP_DEFLATED)
    else:
        with tarfile.open(archive, "w") as tar:
            for cover, body in covers.items():
                info = tarfile.TarInfo(f"{cover:010d}.jpg")
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))

    found = parts(archive)
    whole = archive.read_bytes()
    assert {cover: whole[part.offset : part.offset + part.length] for cover, part in found.items()} == covers


@pytest.mark.parametrize("name", ["covers_0012_34.zip", "covers_0012_34.tar"])
@pytest.mark.parametrize("body", [b"PK\x03\x04 cut", b"\xff\xd8\xff" * 1000])
def test_a_damaged_archive_is_refused(tmp_path: Path, name: str, body: bytes) -> None:
    """What is neither zip nor tar says so, with its name."""
    (tmp_path / name).write_bytes(body)

    with pytest.raises(FeedUnreadable, match=name):
        parts(tmp_path / name)
