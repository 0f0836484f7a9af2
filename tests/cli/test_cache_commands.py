"""`coverproxy cache …` as an operator runs it: real processes over a data folder with real files."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import Running, configured
from running import ended

from coverproxy.cache.last_use import DAY
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.wiring.data_folder import DataFolder

# A JPEG in all that the cache looks at: SOI, a frame header of 200x300, EOI.
JPEG = bytes.fromhex("ffd8ffe000100000000000000000000000000000ffc0000b08012c00c801011100ffd9")
BOOKS = ("9780545010221", "9780141439556", "9791026900948")

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A function that runs `coverproxy cache …` and returns its JSON, or under "text" what it printed."""

    def running(*arguments: str, code: int = 0) -> Any:
        place = [] if "--help" in arguments else ["--data", str(tmp_path / "data")]
        done = ended("cache", *arguments, *place)
        assert done.returncode == code, done.stderr
        return orjson.loads(done.stdout) if "--json" in arguments else {"text": done.stdout}

    return running


@pytest.fixture
def shelf(tmp_path: Path) -> DataFolder:
    """A data folder whose cache holds three books, two of them with an ISBN-10; the first is the oldest."""
    shelf = DataFolder(configured(tmp_path / "data"))
    shelf.open()
    for days, value in zip((30, 20, 10), BOOKS, strict=True):
        shelf.cache.put(spec(value), Derivative(JPEG, Format.JPEG, 1_217_808_000, (200, 300), None))
        used = time.time() - days * DAY
        os.utime(shelf.layout.paths(spec(value))[0], (used, 1_217_808_000))
    return shelf


def spec(value: str) -> Spec:
    return Spec(Identifier("isbn", value), "medium", Format.JPEG)


def there(shelf: DataFolder, value: str) -> list[bool]:
    return [path.exists() for path in shelf.layout.paths(spec(value))]


def old(shelf: DataFolder) -> Path:
    """A cover of settings that have changed since."""
    path = shelf.layout.images / "medium/jpg/0123456789/isbn/10/22" / f"{BOOKS[0]}.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(JPEG)
    return path


@pytest.mark.parametrize("command", [[], ["stats"], ["verify"], ["sweep"], ["evict"]])
def test_help_teaches(run: Run, command: list[str]) -> None:
    """The group and each of its commands say what they do, and what becomes of the covers."""
    text = run(*command, "--help")["text"]

    assert "Usage:" in text
    assert len(text.splitlines()) > 8


def test_stats_counts_by_size_format_and_revision(run: Run, shelf: DataFolder) -> None:
    """Stats tells covers once each whatever their names, old ones apart, limits, room and days of use."""
    old(shelf)
    told = run("stats", "--json")

    assert told["files"] == 4
    assert {(kind["size"], kind["format"], kind["is_live"], kind["files"]) for kind in told["kinds"]} == {
        ("medium", "jpg", True, 3), ("medium", "jpg", False, 1),
    }  # fmt: skip
    assert told["old_revisions"]["files"] == 1
    assert (told["max_bytes"], told["min_free_bytes"]) == (21_474_836_480, 1_073_741_824)
    assert told["last_use_by"] in ("atime", "ctime")
    assert told["estimate_bytes"] > 0
    assert told["oldest_use"] <= told["newest_use"]
    assert "4 covers" in run("stats")["text"]


def test_stats_of_nothing(run: Run, tmp_path: Path) -> None:
    """An empty cache is told as such."""
    (tmp_path / "data" / "cache").mkdir(parents=True)
    told = run("stats", "--json")

    assert (told["files"], told["kinds"], told["oldest_use"]) == (0, [], None)
    assert "0 covers" in run("stats")["text"]


@pytest.mark.parametrize("length", [0, 10, len(JPEG) - 1])
def test_verify_removes_what_is_damaged(run: Run, shelf: DataFolder, length: int) -> None:
    """A cover that is empty or cut is told and removed under both names, and the exit code is 1."""
    path = shelf.layout.paths(spec(BOOKS[0]))[0]
    os.truncate(path, length)
    told = run("verify", "--json", code=1)

    assert (told["files"], told["damaged"], told["mended"]) == (3, 1, 0)
    assert told["paths"] == [str(path)]
    assert not any(there(shelf, BOOKS[0]))
    assert "2 covers: 0 damaged" in run("verify")["text"]


def test_verify_mends_the_second_name(run: Run, shelf: DataFolder) -> None:
    """An ISBN-10's name that is missing, or is another file, becomes the cover's hard link again."""
    first, second = (shelf.layout.paths(spec(value)) for value in BOOKS[:2])
    first[1].unlink()
    second[1].unlink()
    second[1].write_bytes(b"something else")
    told = run("verify", "--json")

    assert (told["files"], told["damaged"], told["mended"]) == (3, 0, 2)
    assert first[1].samefile(first[0])
    assert second[1].samefile(second[0])


def test_verify_is_no_use_of_a_cover(run: Run, shelf: DataFolder) -> None:
    """Reading all covers leaves their time of last use as it was."""
    paths = [shelf.layout.paths(spec(value))[0] for value in BOOKS]
    before = [path.stat().st_atime for path in paths]
    run("verify")

    assert [path.stat().st_atime for path in paths] == before


async def test_what_verify_removed_is_made_again(server: Running) -> None:
    """A server's cover is damaged on disk; verify removes it, and the next view has it made, as it was."""
    whole = await server.get(server.path())
    (file,) = server.folder.cache.layout.top.glob("img/medium/jpg/*/isbn/*/*/978*.jpg")
    file.write_bytes(whole.body[:100])
    done = await asyncio.to_thread(ended, "cache", "verify", "--data", server.config.data.dir)

    assert done.returncode == 1
    assert f"damaged: {file}" in done.stdout
    again = await server.get(server.path())
    assert (again.cover, again.body) == ("made", whole.body)


def test_sweep_removes_leftovers_only(run: Run, shelf: DataFolder) -> None:
    """Sweep takes dead processes' temporary files and lone ISBN-10 names; covers and old settings' stay."""
    kept = old(shelf)
    (shelf.layout.temporary / "4194999-aa").write_bytes(b"half")
    shelf.layout.paths(spec(BOOKS[0]))[0].unlink()
    told = run("sweep", "--json")

    assert (told["temporary"], told["lone"], told["old"]) == (1, 1, 0)
    assert not any(there(shelf, BOOKS[0]))
    assert all(there(shelf, BOOKS[1]))
    assert kept.exists()


def test_sweep_takes_old_revisions_when_told(run: Run, shelf: DataFolder) -> None:
    """With --old-revisions covers of changed settings go, with their folders; the present ones stay."""
    gone = old(shelf)

    assert run("sweep", "--old-revisions", "--json")["old"] == 1
    assert not gone.parents[3].exists()
    assert all(there(shelf, value) == [True] * len(there(shelf, value)) for value in BOOKS)


def test_evict_leaves_a_cache_that_has_room(run: Run, shelf: DataFolder) -> None:
    """Within its bounds nothing is evicted, and the command says so."""
    assert run("evict", "--json")["files"] == 0
    assert "0 covers evicted" in run("evict")["text"]


def test_evict_comes_down_to_what_it_is_told(run: Run, shelf: DataFolder) -> None:
    """With --max-bytes the longest unused go until the cache is that small; with 0 all of them."""
    for value in BOOKS:  # large ones, beside which folders hardly count
        path = shelf.layout.paths(spec(value))[0]
        before = path.stat()
        path.write_bytes(JPEG + bytes(400_000))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    held = run("evict", "--json")["held_bytes"]
    told = run("evict", "--max-bytes", str(int(held / 0.97)), "--json")

    assert 1 <= told["files"] <= 2
    assert told["held_bytes"] <= held * 0.95
    assert not any(there(shelf, BOOKS[0]))
    assert all(there(shelf, BOOKS[2]))
    assert run("evict", "--max-bytes", "0", "--json")["files"] == 3 - told["files"]
    assert shelf.layout.live.joinpath("medium").resolve().is_dir()
