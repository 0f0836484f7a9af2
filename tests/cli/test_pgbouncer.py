"""Every command that touches the store works through PgBouncer in transaction mode."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import images
import orjson
import pytest
from conftest import COVERED, UNCOVERED
from pgbouncer import urls
from ports import unused_addresses
from postgres_server import postgres
from running import run

__all__ = ["postgres", "urls"]

BOOK, OTHER = COVERED, UNCOVERED
Command = Callable[..., str]


@pytest.fixture
def command(urls: tuple[str, str], tmp_path: Path) -> Command:
    """Runs a command over a data folder whose store is reached through PgBouncer."""
    through, straight = urls
    env = {"COVERPROXY_STORE__URL": through, "COVERPROXY_STORE__LISTEN_URL": straight} | unused_addresses()

    def done(*words: str | Path, code: int = 0) -> str:
        return run(*words, data=tmp_path / "data", code=code, **env)

    return done


@pytest.fixture
def coming(tmp_path: Path) -> Path:
    """A folder with pictures of two books, and two more pictures."""
    folder = tmp_path / "coming"
    folder.mkdir()
    for name, colour in ((f"{BOOK}.jpg", images.RED), (f"{OTHER}.jpg", images.BLUE)):
        (folder / name).write_bytes(images.jpeg(images.solid(colour, 400, 600)))
    for number in range(2):
        picture = images.jpeg(images.solid(images.GREEN, 400, 601 + number))
        (tmp_path / f"more{number}.jpg").write_bytes(picture)
    return folder


def test_keys(command: Command) -> None:
    """A key made, changed in every way, listed, revoked, restored, replaced."""
    key = command("key", "create", "--label", "one").split()[0]
    for words in (
        ("limit", key, "7"), ("bind", key, "opac.example.org"), ("role", key, "server"),
        ("sizes", key, "named"), ("no-cover", key, "card"), ("fallback", key, "EDITION"),
        ("expire", key, "2099-01-31"), ("revoke", key), ("restore", key), ("word", key),
    ):  # fmt: skip
        command("key", *words)
    new = command("key", "rotate", key, "--keep", "2").split()[0]
    listed = {each["key"]: each for each in orjson.loads(command("key", "list", "--json"))}

    assert {key, new} <= listed.keys()
    assert listed[key]["daily_limit"] == 7
    assert "opac.example.org" in command("key", "show", key)


def test_covers_links_and_decisions(command: Command, coming: Path, tmp_path: Path) -> None:
    """Import, lists of links, hand-picked pictures, what is hidden, undone, purged and made in advance."""
    command("import", coming, "--mode", "copy", "--source", "publisher")
    command("alias", "add", f"isbn:{BOOK}", "oclc:123")
    links = tmp_path / "links.tsv"
    links.write_text(f"isbn\toclc\n{OTHER}\t124\n")
    command("alias", "import", links)
    assert "oclc:124" in command("alias", "list")
    command("alias", "remove", "oclc:124")
    command("originals", "add", BOOK, tmp_path / "more0.jpg", "--note", "better")
    shown = orjson.loads(command("originals", "list", BOOK, "--json"))["originals"]
    assert len(shown) == 2
    for each in ("unpin", "hide", "restore"):
        command("originals", each, BOOK)
    first = shown[0]["digest"]
    for each in ("prefer", "pin"):
        command("originals", each, BOOK, first)
    assert "better" in command("originals", "history", BOOK)
    newest = orjson.loads(command("originals", "history", BOOK, "--json"))
    command("originals", "undo", str(max(each["number"] for each in newest)))
    command("originals", "remove", OTHER)
    books = tmp_path / "books.txt"
    books.write_text(BOOK)
    command("warm", books)
    assert "oclc" in command("cover", BOOK)
    assert "1 file" in command("purge", BOOK) or "files removed" in command("purge", BOOK)
    for words in (("corrupt",), ("pending",), ("quarantined",), ("history", OTHER)):
        command("originals", *words)


def test_the_rest(command: Command, coming: Path, urls: tuple[str, str], tmp_path: Path) -> None:
    """What looks, sweeps and takes in: watch, reports, notices, feeds, sources, cache, doctor."""
    command("watch", coming, "--once")
    command("key", "list")
    for words in (
        ("reports", "list"), ("notices", "list"), ("feed", "list"), ("feed", "status"), ("source", "list"),
        ("cache", "stats"), ("cache", "verify"), ("cache", "sweep"), ("cache", "evict", "--max-bytes", "1MB"),
    ):  # fmt: skip
        command(*words)
    found = orjson.loads(command("doctor", "--json"))["findings"]
    ours = [each for each in found if each["check"] == "database"]
    assert ours
    assert [each["found"] for each in ours if each["level"] != "ok"] == []


def test_the_store_is_copied_both_ways(
    command: Command, coming: Path, urls: tuple[str, str], tmp_path: Path
) -> None:
    """From SQLite through PgBouncer, and back: the same rows."""
    data, back = tmp_path / "small", tmp_path / "back"
    run("import", coming, data=data)
    run("key", "create", "--label", "one", data=data)
    for source, target, folder in (("sqlite", "postgres", data), ("postgres", "sqlite", back)):
        told = run("store", "copy", "--from", source, "--to", target, "--url", urls[0], data=folder)
        assert "the same in both" in told
    for name, table in (("catalogue.db", "original"), ("state.db", "key")):
        rows = []
        for folder in (data, back):
            with closing(sqlite3.connect(folder / name)) as file:
                rows.append(file.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall())  # noqa: S608
        assert rows[0] == rows[1] != []
