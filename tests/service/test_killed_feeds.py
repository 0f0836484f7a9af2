"""kill -9 in the middle of a feed, a folder, a watched one and a dump: nothing torn, nothing half entered."""

import gzip
import os
import sqlite3
import time
import zipfile
from contextlib import closing
from pathlib import Path

import images
import orjson
import pytest
from library import Library, isbn_of
from running import ended, started
from senders import onix, product

from coverproxy.domain.identifier import ISBN, Identifier

KILLS = int(os.environ.get("COVERPROXY_TEST_KILLS", "2"))
"""How often each command is killed; more take longer and find more."""

MANY = 260 * KILLS


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty folder of covers, and no data folder yet."""
    return Library(tmp_path)


def bodies() -> dict[str, bytes]:
    """A small picture for each of many books, each of its own bytes."""
    return {isbn_of(100 * at): images.distinct(images.small_jpeg(), at) for at in range(MANY)}


def feed(library: Library) -> list[str]:
    """Write an ONIX file with its pictures, and a config; return the command that reads it."""
    for at, (_, body) in enumerate(bodies().items()):
        library.put(f"{at}.jpg", body)
    onix(library, *(product(f"{at}.jpg", isbn, record=str(at)) for at, isbn in enumerate(bodies())))
    config = library.data.parent / "config.toml"
    config.write_text(
        f'[data]\ndir = "{library.data}"\n[[feed]]\nname = "house"\ndir = "{library.covers}"\n',
        encoding="utf-8",
    )
    return ["feed", "run", "--config", str(config)]


def folder(library: Library) -> list[str]:
    """Write pictures named by ISBN; return the command that takes them in."""
    for isbn, body in bodies().items():
        library.put(f"{isbn}.jpg", body)
    return ["import", str(library.covers), "--data", str(library.data)]


def watch(library: Library) -> list[str]:
    """The same; the command watches the folder until nothing is left, and moves what is done."""
    folder(library)
    return ["watch", str(library.covers), "--data", str(library.data), "--once", "--move", "--settle", "0"]


def openlibrary(library: Library) -> list[str]:
    """Write a dump and an archive; return the command that joins them."""
    dump = library.data.parent / "dump.txt.gz"
    with gzip.open(dump, "wb") as file, zipfile.ZipFile(library.covers / "covers_0012_34.zip", "w") as made:
        for at, (isbn, body) in enumerate(bodies().items()):
            made.writestr(f"{12340000 + at:010d}.jpg", body)
            edition = {"key": f"/books/OL{at + 1}M", "isbn_13": [isbn], "covers": [12340000 + at]}
            file.write(b"\t".join([b"/type/edition", b"x", b"1", b"2026", orjson.dumps(edition)]) + b"\n")
    return ["import", "openlibrary", str(dump), "--covers", str(library.covers), "--data", str(library.data)]


def killed(library: Library, arguments: list[str]) -> bool:
    """Run a command until it has entered something more, then kill it; say whether it ended before."""
    before = library.entered()
    with started(*arguments) as run:
        while run.poll() is None and library.entered() == before:
            time.sleep(0.03)
        is_over = run.poll() is not None
        run.kill()
    return is_over


@pytest.mark.timeout(150 * KILLS)  # three processes, on a machine that may be busy
@pytest.mark.parametrize(
    "make", [feed, watch, openlibrary, *[folder] * (KILLS > 2)]
)  # one is in test_importer
def test_killed_runs_leave_nothing_half_done(library: Library, make: object) -> None:
    """After each kill every row has its file, its record and its progress; in the end all is in, once."""
    arguments = make(library)  # type: ignore[operator]
    for _ in range(KILLS):
        assert not killed(library, arguments)
        assert library.is_sound()
        if make is feed:
            with closing(sqlite3.connect(library.data / "catalogue.db")) as database:
                (counts,) = database.execute(
                    "SELECT (SELECT count(*) FROM original), (SELECT count(*) FROM feed_record),"
                    " (SELECT max(done) FROM feed_file)"
                )
            assert len(set(counts)) == 1, counts
    assert ended(*arguments).returncode == 0
    assert library.entered() == MANY
    assert make is openlibrary or library.is_consistent()
    with library.shelf() as shelf:
        for isbn, body in bodies().items():
            (one,) = shelf.catalogue.find(Identifier(ISBN, isbn))
            assert shelf.files.read(one, 10**6) == body
