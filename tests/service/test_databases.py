"""Databases that cannot be used: the service starts, says so, serves what it can, and recovers."""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web
from conftest import COVERED, Running, Start, configured, take_in
from ending import end

from coverproxy.config import Config
from coverproxy.doctor.checks import records
from coverproxy.doctor.checks.finding import Level
from coverproxy.domain.api_key import Key, new_name
from coverproxy.server.application import application, listen

WHAT = {"state.db": ("keys", "key", "unavailable"), "catalogue.db": ("catalogue", "original", "hit")}
"""Of a database: its name in /readyz, one of its tables, and what a cover on disk is without it."""


@asynccontextmanager
async def serving(config: Config, key: Key) -> AsyncIterator[Running]:
    """A server over a data folder as it is."""
    listeners = listen(config)
    runner = web.AppRunner(app := application(config, listeners, lambda: None), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listeners.covers).start()
    async with aiohttp.ClientSession() as client:
        try:
            yield Running(config, app, listeners, client, key)
        finally:
            await end(runner)


async def readiness(server: Running) -> tuple[int, dict[str, str]]:
    """Ask /readyz."""
    async with server.client.get(server.listeners.ops_url + "/readyz") as response:
        return response.status, (await response.json())["faults"]


async def status(server: Running) -> dict[str, str]:
    """Ask the status page for its faults."""
    async with server.client.get(server.listeners.url + "/status.json") as response:
        return dict((await response.json())["faults"])


def damage(path: Path, kind: str) -> bytes:
    """Put something else in a database's place; return what it was."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good = path.read_bytes()
    for part in path.parent.glob(f"{path.name}*"):
        part.unlink()
    if kind == "text":
        path.write_bytes(b"no database at all" * 500)
    elif kind == "emptied":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_bytes(good[:5000])
    elif kind == "foreign":
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE bookmark (url TEXT)")
    else:
        path.write_bytes(good)
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"DROP TABLE {kind}")
    return good


def put_back(path: Path, good: bytes) -> None:
    """Put the right file in the damaged one's place, as from a backup."""
    (path.parent / "good").write_bytes(good)
    for part in path.parent.glob(f"{path.name}-*"):
        part.unlink()
    (path.parent / "good").replace(path)


async def ready(server: Running) -> None:
    """Wait until /readyz is green."""
    async with asyncio.timeout(60):
        while (await readiness(server))[0] != 200:
            await asyncio.sleep(0.1)


def said_once(path: Path, records: list[logging.LogRecord]) -> None:
    """Look that one line names the file and the way out, that no line comes twice, without a traceback."""
    (line,) = (each for each in records if each.msg.startswith("a database cannot be used"))
    assert vars(line)["file"] == str(path)
    assert vars(line)["look_into_it"] == f"coverproxy doctor --data {path.parent}"
    assert max(Counter(each.msg for each in records).values()) == 1
    assert not any(each.exc_info for each in records)


@pytest.mark.parametrize("kind", ["text", "foreign", "lacks a table", "truncated", "emptied"])
@pytest.mark.parametrize("name", ["state.db", "catalogue.db"])
async def test_it_starts_without_a_database_and_recovers(
    tmp_path: Path, drawn: Path, caplog: pytest.LogCaptureFixture, name: str, kind: str
) -> None:
    """Covers and links on disk stay, what needs the file is unavailable, and no restart is needed after."""
    config, key, path = configured(tmp_path / "data"), Key(new_name(), "k", 1000), tmp_path / "data" / name
    await asyncio.to_thread(take_in, config, drawn, "reference")
    async with serving(config, key) as server:
        await server.service.accounts.save(key)
        assert (await server.get(server.path())).cover == "made"
    piece, table, answer = WHAT[name]
    good = damage(path, table if kind == "lacks a table" else kind)
    caplog.set_level(logging.ERROR)
    caplog.clear()

    async with serving(config, key) as server:
        assert (await server.get(server.path())).cover == answer
        for _ in range(5):
            got = await server.get(server.path(COVERED, "large"))
            assert (got.cover, got.headers["Cache-Control"]) == ("unavailable", "no-store")
        told = orjson.loads((await server.get(server.path(size="large"), Accept="application/json")).body)
        assert told["detail"] == told["title"]  # what is wrong, and where, is for the operator
        code, faults = await readiness(server)
        assert (code, name in faults[piece]) == (503, True)
        assert name in (await status(server))[piece]
        assert [each.name for each in server.folder.cache.layout.by_key.iterdir()] == [key.name]
        said_once(path, caplog.records)
        assert kind != "emptied" or path.stat().st_size == 0  # a new one in its place would hide the loss
        put_back(path, good)
        await ready(server)
        assert (await server.get(server.path(COVERED, "large"))).cover == "made"


@pytest.mark.parametrize("kind", ["deleted", "text", "truncated", "foreign"])
async def test_no_cover_is_wrong_while_both_databases_break(
    start: Start, drawn_isbns: list[str], kind: str
) -> None:
    """Broken while they are used: covers on disk are hits, byte for byte; a new one is right, or none."""
    server = await start()
    first, other = (server.path(isbn, "medium") for isbn in drawn_isbns[:2])
    right = {path: (await server.get(path)).body for path in (first, other)}
    assert right[first] != right[other]
    for path in server.folder.cache.layout.images.rglob("*"):  # the other has to be made again
        if path.is_file() and path.read_bytes() == right[other]:
            path.unlink()
    data = Path(server.config.data.dir)
    for name in WHAT:
        if kind != "deleted":
            await asyncio.to_thread(damage, data / name, kind)
        for part in data.glob(f"{name}*") if kind == "deleted" else ():
            part.unlink()

    for _ in range(3):
        got = await server.get(first)
        assert (got.cover, got.body == right[first]) == ("hit", True)
        again = await server.get(other)
        assert again.body == right[other] or again.cover == "unavailable"
    if kind != "deleted":
        told = [each.found for each in records.databases(data) if each.level is Level.PROBLEM]
        assert [name for name in WHAT if any(str(data / name) in each for each in told)] == list(WHAT)


@pytest.mark.parametrize("name", list(WHAT))
async def test_a_deleted_database_is_a_fault_until_it_is_back(
    start: Start, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Deleted while in use, /readyz and the log name it; put back as another file, that one is used."""
    server = await start()
    path = Path(server.config.data.dir) / name
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good = path.read_bytes()
    for part in path.parent.glob(f"{name}*"):
        part.unlink()
    caplog.set_level(logging.ERROR)

    code, faults = await readiness(server)
    assert (code, list(faults)) == (503, [name])
    assert f"{path} was deleted while in use" in faults[name]
    assert (await server.get(server.path())).cover in ("made", "hit")
    async with asyncio.timeout(60):
        while not any("a database has a fault" in each.getMessage() for each in caplog.records):
            await asyncio.sleep(0.05)

    put_back(path, good)
    await ready(server)
    added = await server.new_key()
    with closing(sqlite3.connect(Path(server.config.data.dir) / "state.db")) as database:
        assert database.execute("SELECT 1 FROM key WHERE name = ?", [added.name]).fetchall()


async def test_keys_stay_known_while_their_database_is_emptied(start: Start) -> None:
    """Emptied under the service: known keys go on as last known, others are not refused but unavailable.

    /readyz names the file, nothing is begun in its place, and the one put back is used.
    """
    server = await start()
    assert (await server.get(server.path())).cover == "made"
    path = Path(server.config.data.dir) / "state.db"
    good = damage(path, "emptied")
    async with asyncio.timeout(60):
        while "keys" not in (await readiness(server))[1]:
            await asyncio.sleep(0.05)

    assert (await server.get(server.path())).cover == "hit"
    got = await server.get(server.path(key=new_name()))
    assert (got.status, got.cover, got.headers["Cache-Control"]) == (200, "unavailable", "no-store")
    assert (await server.get(server.path(key="short"))).status == 403
    code, faults = await readiness(server)
    assert (code, "the keys are lost" in faults["keys"]) == (503, True)
    assert faults["state.db"] == f"{path} is empty: put it back from a backup"
    assert path.stat().st_size == 0
    put_back(path, good)
    await ready(server)
    assert (await server.get(server.path(COVERED, "large"))).cover == "made"


async def test_a_database_overwritten_while_it_runs_is_said_once(
    tmp_path: Path, drawn: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Thirty covers in vain are one line that names the file, and /readyz names it too."""
    config, key = configured(tmp_path / "data"), Key(new_name(), "k", 1000)
    await asyncio.to_thread(take_in, config, drawn, "reference")
    async with serving(config, key) as server:
        await server.service.accounts.save(key)
        damage(tmp_path / "data" / "catalogue.db", "text")
        server.folder.catalogue.close()  # else all of so small a file is in its connections' memory
        caplog.set_level(logging.ERROR)
        for size in ("small", "medium", "large") * 10:
            assert (await server.get(server.path(COVERED, size))).cover == "unavailable"
        told = [each for each in caplog.records if "catalogue.db" in str(vars(each).get("error"))]
        assert max(Counter(each.msg for each in told).values()) == 1
        assert not any(each.exc_info for each in caplog.records)
        assert "catalogue.db" in (await readiness(server))[1]["catalogue"]


async def test_a_cache_that_cannot_be_read_is_done_without(
    tmp_path: Path, drawn: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the covers' folder is a file, covers are made and answered all the same: one line says why."""
    config, key = configured(tmp_path / "data"), Key(new_name(), "k", 1000)
    await asyncio.to_thread(take_in, config, drawn, "reference")
    async with serving(config, key) as server:
        await server.service.accounts.save(key)
        images = server.folder.cache.layout.images
        images.rename(images.with_name("away"))
        images.write_bytes(b"")
        caplog.set_level(logging.ERROR)
        assert [(await server.get(server.path())).cover for _ in range(3)] == ["made"] * 3
        assert [each.msg for each in caplog.records].count("the cache cannot be read") == 1
        assert not any(each.exc_info for each in caplog.records)
