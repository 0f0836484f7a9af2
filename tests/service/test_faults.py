"""Disks that fill, turn read-only or vanish: covers are made, the fault is loud, and ends by itself."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner
from conftest import Running, Start, configured, take_in
from ending import end
from running import ended

from coverproxy.cli import main
from coverproxy.domain.api_key import Key, new_name
from coverproxy.server.application import application, listen

SMALL = 3 * 1024 * 1024


def mounted(*arguments: str) -> None:
    """Run mount, or skip the test where that is not allowed."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this machine allows no mount: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of three megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted("-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.asynccontextmanager
async def over(data: Path, drawn: Path, start: Start, **cache: int) -> AsyncIterator[Running]:
    """A server whose data folder is *data*, with the drawn covers referred to where they lie."""
    outer = await start()  # for its client
    config = configured(data, cache={"min_free_bytes": 0, "min_free_inodes": 0} | cache)
    await asyncio.to_thread(take_in, config, drawn, "reference")
    listeners = listen(config)
    runner = web.AppRunner(app := application(config, listeners, lambda: None), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listeners.covers).start()
    server = Running(config, app, listeners, outer.client, Key(new_name(), "faults", 1000))
    await server.service.accounts.save(server.key)
    try:
        yield server
    finally:
        await end(runner)


async def readiness(server: Running) -> tuple[int, dict[str, str]]:
    """Ask /readyz."""
    async with server.client.get(server.listeners.ops_url + "/readyz") as response:
        return response.status, (await response.json())["faults"]


async def metric(server: Running, name: str) -> float:
    """Read one metric."""
    async with server.client.get(server.listeners.ops_url + "/metrics") as response:
        lines = (await response.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def fill(folder: Path) -> Path:
    """Write until the disk is full."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


async def until_counted(server: Running, made: int) -> None:
    """Wait until the store has counted *made* covers."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(Exception):
                await server.service.accounts.refresh()
                counted = await server.service.accounts.counts.made(
                    [server.key.name], server.service.accounts.today()
                )
                if counted.get(server.key.name) == made:
                    return
            await asyncio.sleep(0.05)


async def test_a_full_disk(small_disk: Path, drawn: Path, start: Start, drawn_isbns: list[str]) -> None:
    """On a full disk covers are made, answered and counted; once there is room they are stored, and counted
    in the database."""
    async with over(small_disk / "data", drawn, start) as server:
        assert (await readiness(server))[0] == 200
        filler = await asyncio.to_thread(fill, small_disk)
        full = [await server.get(server.path(isbn)) for isbn in drawn_isbns[:3]]
        assert [got.cover for got in full] == ["made"] * 3
        assert [got.headers["X-RateLimit-Remaining"] for got in full] == ["1000"] * 3  # none is kept
        status, faults = await readiness(server)
        # a database that was looked at meanwhile cannot be used either, and says so
        assert status == 503
        assert {"cache"} <= set(faults) <= {"cache", "sources.db", "state.db", "catalogue.db"}
        assert await metric(server, "coverproxy_store_failures_total") == 3

        filler.unlink()
        assert (await server.get(server.path(drawn_isbns[0]))).cover == "made"
        await until_counted(server, 1)
        assert (await server.get(server.path(drawn_isbns[0]))).cover == "hit"
        assert await readiness(server) == (200, {})
        assert not list(server.folder.cache.layout.temporary.iterdir())


@pytest.fixture
def few_inodes(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for 400 files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted("-t", "tmpfs", "-o", "size=100m,nr_inodes=400", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_disk_without_inodes(
    few_inodes: Path, drawn: Path, start: Start, drawn_isbns: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Covers that find no inode are answered, cost nothing and are one log line, until there is room."""
    async with over(few_inodes / "data", drawn, start, min_free_inodes=100) as server:
        assert (await server.get(server.path(drawn_isbns[0]))).cover == "made"
        (few_inodes / "filler").mkdir()
        number = 0
        while os.statvfs(few_inodes).f_favail > 60:
            (few_inodes / "filler" / str(number)).write_bytes(b"")
            number += 1
        full = [await server.get(server.path(isbn)) for isbn in drawn_isbns[1:6]]
        assert [got.cover for got in full] == ["made"] * 5
        assert [got.headers["X-RateLimit-Remaining"] for got in full] == ["999"] * 5
        lines = [each for each in caplog.records if each.msg == "covers are answered but not stored"]
        assert ["min_free_inodes" in vars(each)["why"] for each in lines] == [True]

        shutil.rmtree(few_inodes / "filler")
        assert [(await server.get(server.path(drawn_isbns[1]))).cover for _ in range(2)] == ["made", "hit"]


async def test_a_read_only_cache(tmp_path: Path, drawn: Path, start: Start, drawn_isbns: list[str]) -> None:
    """With the cache's disk turned read-only covers are made and answered; hits go on; then all is well."""
    async with over(tmp_path / "data", drawn, start) as server:
        assert (await server.get(server.path(drawn_isbns[0]))).cover == "made"
        cache = str(server.folder.cache.layout.root)
        mounted("--bind", cache, cache)
        try:
            mounted("-o", "remount,bind,ro", cache)
            assert (await server.get(server.path(drawn_isbns[0]))).cover == "hit"
            assert (await server.get(server.path(drawn_isbns[1]))).cover == "made"
            assert (await server.get(server.path(drawn_isbns[1]))).cover == "made"
            assert (await readiness(server))[0] == 503
        finally:
            await asyncio.to_thread(subprocess.run, ["umount", "-l", cache], check=True)
        assert (await server.get(server.path(drawn_isbns[1]))).cover == "made"
        assert (await server.get(server.path(drawn_isbns[1]))).cover == "hit"
        assert (await readiness(server))[0] == 200


async def test_a_deleted_cache_folder(server: Running, drawn_isbns: list[str]) -> None:
    """The whole cache is deleted while the server runs: the next cover makes it anew, keys' links too."""
    assert (await server.get(server.path(drawn_isbns[0]))).cover == "made"
    shutil.rmtree(server.folder.cache.layout.root)
    assert (await readiness(server))[0] == 503
    assert (await server.get(server.path(drawn_isbns[0]))).cover == "made"
    assert (await server.get(server.path(drawn_isbns[0]))).cover == "hit"
    assert (await readiness(server))[0] == 200

    server.service.accounts._links.change()
    await server.service.accounts.look_after()
    assert (server.folder.cache.layout.by_key / server.key.name).is_symlink()


async def test_vanished_originals(server: Running, drawn_isbns: list[str]) -> None:
    """The originals' mount is gone: hits go on, new covers are unavailable and not remembered as missing."""
    assert (await server.get(server.path(drawn_isbns[0]))).cover == "made"
    root = server.originals
    root.rename(root.with_name("away"))
    assert (await server.get(server.path(drawn_isbns[0]))).cover == "hit"
    gone = await server.get(server.path(drawn_isbns[1]))
    assert (gone.cover, gone.headers["X-RateLimit-Remaining"]) == ("unavailable", "999")
    root.with_name("away").rename(root)
    assert (await server.get(server.path(drawn_isbns[1]))).cover == "made"


async def test_originals_that_went_away_are_a_fault(start: Start) -> None:
    """While the disk of the originals is not mounted, /readyz says so; once it is back, all is well."""
    server = await start()
    root = Path(server.config.data.dir) / "originals"
    root.rename(root.with_name("unmounted"))
    status, faults = await readiness(server)
    root.with_name("unmounted").rename(root)

    assert status == 503
    assert "not mounted" in faults["originals"]
    assert await readiness(server) == (200, {})


async def test_a_catalogue_that_was_lost_makes_no_book_missing(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty catalogue beside originals is a fault, in the log too; its books are unavailable."""
    server = await start()
    catalogue = server.folder.catalogue
    found = catalogue.sample(1000)
    with catalogue.writing() as tables:
        for each in found:
            tables.remove(each)
    got = await server.get(server.path(found[0].identifier.value))

    assert got.cover == "unavailable"
    assert "no-store" in got.headers["Cache-Control"]
    assert "catalogue" in (await readiness(server))[1]
    assert [each.msg for each in caplog.records].count("the catalogue is lost") == 1


@pytest.mark.parametrize("command", [("key", "create", "--label", "b"), ("import", "drawn"), ("key", "list")])
def test_commands_say_that_there_are_no_inodes(
    few_inodes: Path, drawn: Path, command: tuple[str, ...], tmp_path: Path
) -> None:
    """Where no inode is left, a command ends with one line that says so and what to do."""
    data = few_inodes / "data"
    done = CliRunner().invoke(main, ["key", "create", "--label", "a", "--data", str(data)])
    assert done.exit_code == 0
    for each in data.glob("state.db-*"):  # as after a clean stop
        each.unlink()
    number = 0
    with contextlib.suppress(OSError):
        while True:
            (few_inodes / f"filler{number}").touch()
            number += 1
    words = [str(drawn) if each == "drawn" else each for each in command]
    got = CliRunner().invoke(main, [*words, "--data", str(data)])

    assert got.exit_code == 1
    (line,) = got.output.splitlines()
    assert line.startswith("Error: ")
    assert "no inodes left (see df -i): delete files" in line


async def test_readiness_says_that_there_are_no_inodes(
    few_inodes: Path, drawn: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Started where no inode is left, /readyz and the log name the file and what it lacks, as commands do."""
    data = few_inodes / "data"
    create = ["key", "create", "--label", "a", "--data", str(data)]
    assert (await asyncio.to_thread(CliRunner().invoke, main, create)).exit_code == 0
    for each in data.glob("state.db-*"):  # as after a clean stop
        each.unlink()
    outer = await start()  # for its client
    config = configured(data, cache={"min_free_bytes": 0, "min_free_inodes": 0})
    number = 0
    with contextlib.suppress(OSError):
        while True:
            (few_inodes / f"filler{number}").touch()
            number += 1
    listeners = listen(config)
    runner = web.AppRunner(app := application(config, listeners, lambda: None), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listeners.covers).start()
    try:
        status, faults = await readiness(Running(config, app, listeners, outer.client, outer.key))
    finally:
        await end(runner)
    lines = [str(vars(each).get("error")) for each in caplog.records]

    assert status == 503
    for told in (faults["keys"], *(each for each in lines if each.startswith("state.db"))):
        assert told.startswith("state.db: its disk has no inodes left (see df -i)")
    assert any(each.startswith("state.db") for each in lines)


def test_a_disk_that_only_reads_is_named(small_disk: Path) -> None:
    """`serve` says so in one line, and `doctor` calls no database damaged that it only cannot open there."""
    invoke = CliRunner().invoke
    assert invoke(main, ["key", "create", "--label", "x", "--data", str(small_disk)]).exit_code == 0
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    served = ended("serve", "--data", small_disk)  # a process: it sets variables of its own
    assert served.returncode == 1
    assert served.stderr == f"Error: {small_disk} cannot be written: its file system is read-only\n"
    told = invoke(main, ["doctor", "--data", str(small_disk)]).output
    assert f"state.db cannot be looked into while {small_disk} cannot be written" in told
    assert "is damaged" not in told


def test_a_full_disk_of_metrics_ends_no_worker(small_disk: Path) -> None:
    """A process whose histograms find no space keeps them to itself; writing to the file would be SIGBUS."""
    fill(small_disk)
    program = (
        "import sys; from coverproxy.stats.tallies import Tallies; found = Tallies(sys.argv[1]);"
        "found.of('steps', 'read').note(0.5); print(b'steps read' in next(iter(found.rows())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(small_disk)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
