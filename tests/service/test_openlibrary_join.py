"""Open Library's dump and archives, made with every kind of dirt: what becomes of them."""

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import images
import orjson
import pytest
from click.testing import CliRunner
from library import BOOK, OTHERS, Library, isbn_of

from coverproxy.cli import main
from coverproxy.domain.identifier import ISBN, Identifier

BODIES = [images.distinct(images.small_jpeg(), number) for number in range(8)]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty folder for archives, and no data folder yet."""
    return Library(tmp_path)


def edition(key: str, **fields: Any) -> bytes:
    """A line of the dump."""
    body = orjson.dumps({"key": f"/books/{key}", **fields})
    return (
        b"\t".join([b"/type/edition", f"/books/{key}".encode(), b"3", b"2026-10-01T00:00:00", body]) + b"\n"
    )


def dump(library: Library, *lines: bytes) -> Path:
    """Write a dump, packed as Open Library packs it."""
    path = library.data.parent / "ol_dump_editions_2026-10-31.txt.gz"
    path.write_bytes(gzip.compress(b"".join(lines)))
    return path


def zipped(library: Library, name: str, covers: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    path = library.covers / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as made:
        for member, body in covers.items():
            made.writestr(member, body)
    return path


def take(library: Library, path: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    words = ["import", "openlibrary", str(path), "--covers", str(library.covers), *arguments]
    ran = CliRunner().invoke(main, [*words, "--data", str(library.data), "--json"])
    assert ran.exit_code == code, ran.output
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def body_of(library: Library, identifier: Identifier) -> bytes | None:
    with library.shelf() as shelf:
        found = shelf.catalogue.find(identifier)
        return shelf.files.read(found[0], 10**6) if found else None


def dirty(library: Library) -> Path:
    """Write a dump and archives with every kind of dirt; return the dump."""
    path = dump(
        library,
        edition("OL1M", isbn_13=[BOOK], oclc_numbers=["ocm00012345"], covers=[12340001, 5],
                works=[{"key": "/works/OL1W"}]),
        edition("OL2M", isbn_10=["0-545-01022-5 (pbk.)"], covers=[None, -1, 8000007]),
        edition("OL3M", covers=[12340002], lccn=["n78-890351"]),
        edition("OL4M", isbn_13=[OTHERS[0]], covers=[77777], works=[{"key": "/works/OL1W"}]),
        edition("OL5M", isbn_13=["9780000000000"], covers=[-1]),
        edition("OL6M", isbn_13=[OTHERS[1]], works=[{"key": "/works/OL1W"}]),
        b"no tabs\n", edition("OL7M", isbn_13=[OTHERS[2]], covers=[12340003])[:-9] + b"\n",
        edition("OL8M", isbn_13=[OTHERS[3]], covers=[12340004]),
    )  # fmt: skip
    zipped(library, "covers_0012/covers_0012_34.zip", {
        "0012340001.jpg": BODIES[0], "0012340002.jpg": BODIES[1], "0012340009.jpg": BODIES[7],
    })  # fmt: skip
    zipped(library, "l_covers_0012_34.zip", {"0012340001-L.jpg": BODIES[6]})
    zipped(library, "covers_0012_35.zip", {"0012350000.jpg": BODIES[7]}, zipfile.ZIP_DEFLATED)
    (library.covers / "covers_0099_00.zip").write_bytes(b"PK\x03\x04 cut off")
    (library.covers / "notes.txt").write_bytes(b"hello")
    return path


def test_dump_and_archives_come_together(library: Library) -> None:
    """Each edition's best cover that is here is its original, in place, under every name of the edition;
    dirt costs only itself."""
    path = dirty(library)
    told = take(library, path, code=3)
    assert told["dump"] | {"bytes": 0} == {"lines": 9, "editions": 6, "wanted": 6, "unread": 2, "bytes": 0}
    assert (told["added"], told["refused"]) == (2, {"unreadable": 1})
    assert body_of(library, Identifier(ISBN, BOOK)) == BODIES[0]
    with library.shelf() as shelf:
        one = shelf.catalogue.find(Identifier(ISBN, BOOK))[0]
        assert (one.source, one.path) == (
            "openlibrary",
            str(library.covers / "covers_0012/covers_0012_34.zip"),
        )
        assert shelf.catalogue.aliases.item(Identifier("oclc", "12345")) == Identifier(ISBN, BOOK)
        assert shelf.catalogue.aliases.item(Identifier("olid", "OL1M")) == Identifier(ISBN, BOOK)
        links = shelf.catalogue.editions.of(Identifier(ISBN, OTHERS[1]), most=10)
        assert {(each.other.value, each.linked_by) for each in links} == {
            (BOOK, "openlibrary"), (OTHERS[0], "openlibrary"),
        }  # fmt: skip
    assert library.stored() == set()  # nothing was unpacked


def test_archives_that_come_later_are_found(library: Library) -> None:
    """A second run reads the dump no more, passes over what is in, and takes what has come."""
    path = dirty(library)
    take(library, path, code=3)
    again = take(library, path)
    assert (again["dump"]["lines"], again["seen"]) == (0, 0)
    with tarfile.open(library.covers / "covers_0008_00.tar", "w") as tar:
        info = tarfile.TarInfo("0008000007.jpg")
        info.size = len(BODIES[2])
        tar.addfile(info, io.BytesIO(BODIES[2]))
    zipped(library, "olcovers7.zip", {"77777.jpg": BODIES[3]})
    assert take(library, path)["added"] == 2
    assert body_of(library, Identifier(ISBN, "9780545010221")) == BODIES[2]
    assert body_of(library, Identifier(ISBN, OTHERS[0])) == BODIES[3]


def test_only_the_holdings_are_taken(library: Library) -> None:
    """A list chooses; another list reads the dump anew."""
    path = dump(
        library,
        *(edition(f"OL{at + 1}M", isbn_13=[isbn], covers=[12340000 + at])
          for at, isbn in enumerate(OTHERS[:4])),
    )  # fmt: skip
    zipped(library, "covers_0012_34.zip", {f"{12340000 + at:010d}.jpg": BODIES[at] for at in range(4)})
    holdings = library.data.parent / "holdings.txt"
    holdings.write_text(f"{OTHERS[1]}\nnot an ISBN\n", encoding="utf-8")
    assert take(library, path, "--only", str(holdings))["added"] == 1
    assert [one.identifier.value for one in library.all_originals()] == [OTHERS[1]]
    holdings.write_text(f"{OTHERS[1]}\n{OTHERS[3]}\n", encoding="utf-8")
    assert take(library, path, "--only", str(holdings))["added"] == 1
    assert take(library, path)["added"] == 2


def test_copies_outlive_their_archive(library: Library) -> None:
    """With --copy the archive may go, and a second run adds nothing."""
    path = dump(library, edition("OL1M", isbn_13=[BOOK], covers=[12340001]))
    archive = zipped(library, "covers_0012_34.zip", {"0012340001.jpg": BODIES[0]})
    assert take(library, path, "--copy")["added"] == 1
    assert len(library.stored()) == 1
    archive.unlink()
    assert body_of(library, Identifier(ISBN, BOOK)) == BODIES[0]


def test_an_archive_that_changed_shows_nothing_else(library: Library) -> None:
    """Other bytes at a picture's place are not served as that picture; importing again puts it right."""
    path = dump(library, edition("OL1M", isbn_13=[BOOK], covers=[12340001]))
    zipped(library, "covers_0012_34.zip", {"0012340001.jpg": BODIES[0]})
    take(library, path)
    zipped(library, "covers_0012_34.zip", {"0012340000.jpg": BODIES[4], "0012340001.jpg": BODIES[5]})
    with pytest.raises(FileNotFoundError):
        body_of(library, Identifier(ISBN, BOOK))
    assert take(library, path)["replaced"] == 1
    assert body_of(library, Identifier(ISBN, BOOK)) == BODIES[5]


def test_a_dump_goes_on_where_it_was(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interruption between batches costs nothing: every line is read once in all."""
    from coverproxy.originals.wanted_covers import SqliteWantedCovers
    from coverproxy.service import openlibrary_join
    from coverproxy.service.openlibrary_join import DumpReader, JoinReport

    monkeypatch.setattr(openlibrary_join, "BATCH", 10)
    path = dump(
        library,
        *(edition(f"OL{at + 1}M", isbn_13=[isbn_of(at)], covers=[at + 1], works=[{"key": "/works/OL9W"}])
          for at in range(35)),
    )  # fmt: skip

    def stop(report: JoinReport) -> None:
        if report.lines == 20:
            raise KeyboardInterrupt

    with library.shelf() as shelf, SqliteWantedCovers(library.data / "w.db").opened() as wanted:
        with pytest.raises(KeyboardInterrupt):
            DumpReader(shelf.catalogue, wanted, library.refusals.append).read(path, stop)
        begun = wanted.progress(path.name)
        assert begun is not None
        assert (begun.lines, begun.editions, begun.is_read) == (20, 20, False)
        rest = DumpReader(shelf.catalogue, wanted, library.refusals.append).read(path, lambda report: None)
        assert (rest.lines, rest.editions) == (15, 15)
        assert len(list(wanted.of(range(100)))) == 35
        assert len(shelf.catalogue.editions.of(Identifier(ISBN, isbn_of(3)), most=100)) == 34
        done = wanted.progress(path.name)
        assert done is not None
        assert (done.lines, done.editions, done.is_read) == (35, 35, True)
