"""Nodes on one PostgreSQL and one object store: what one made, nobody makes again."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import COVERED, Running, configured, take_in
from nodes import ANNA, BOOK, PROMISED, Busy, cover, running, until
from postgres_server import database, emptied, postgres
from s3_server import BUCKET, KEY_ID, REGION, S3, SECRET, Stored
from s3_server import running as s3_running

from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Spec
from coverproxy.web.app_keys import CURATOR

__all__ = ["cover", "database", "postgres"]

OPTIONS = {"region": REGION, "access_key_id": KEY_ID, "secret_access_key": SECRET}


@dataclass
class Nodes:
    """Nodes, the object store, and what a further node needs."""

    all: list[Running]
    s3: S3
    settings: dict[str, Any]
    folder: Path

    def config(self, name: str) -> Any:
        return configured(self.folder / name, store=self.settings)

    def derivatives(self) -> list[str]:
        return [key for key in self.s3.objects if "/derivatives/" in key]

    async def written(self, count: int) -> None:
        async def is_written() -> bool:
            return len(self.derivatives()) >= count

        await until(is_written)


@pytest.fixture
async def nodes(database: str, tmp_path: Path, cover: Path) -> AsyncIterator[Nodes]:
    """Three nodes with one copied original, which only the first has on its disk, and one key."""
    url = await asyncio.to_thread(emptied, database)
    async with s3_running() as s3, AsyncExitStack() as stack:
        store = {
            "url": url, "objects": f"s3://{BUCKET}/shared", "objects_endpoint": s3.url,
            "objects_options": OPTIONS, "objects_timeout_seconds": 1.0,
        }  # fmt: skip
        found = Nodes([], s3, store, tmp_path)
        await asyncio.to_thread(take_in, found.config("node0"), cover, "copy")
        for number in range(3):
            found.all.append(await stack.enter_async_context(running(found.config(f"node{number}"))))
        await found.all[0].service.accounts.save(found.all[0].key)
        for each in found.all:
            each.key = found.all[0].key
        yield found


async def made(node: Running) -> int:
    """How many covers the key has paid for."""
    accounts = node.service.accounts
    return (await accounts.counts.made([node.key.name], accounts.today())).get(node.key.name, 0)


async def ask(node: Running, size: str = "medium") -> Any:
    return await node.get(node.path(size=size))


async def test_one_makes_and_the_others_serve(nodes: Nodes) -> None:
    """One cold cover asked of four nodes at once: one made, one counted; the same bytes and tag on all."""
    async with running(nodes.config("node3")) as fourth:
        fourth.key = nodes.all[0].key
        four = [*nodes.all, fourth]
        got = await asyncio.gather(*(ask(node) for node in four for _ in range(4)))
        assert {each.status for each in got} == {200}
        assert [each.cover for each in got].count("made") == 1
        assert {each.cover for each in got} == {"made", "hit"}
        assert len({(each.body, each.headers["ETag"]) for each in got}) == 1
        assert await made(nodes.all[0]) == 1
        assert len(nodes.derivatives()) == 1
        for node in four:
            assert (await ask(node)).cover == "hit"


async def test_a_new_node_makes_nothing_again(nodes: Nodes) -> None:
    """An empty node serves what others made: no quota, no render, no original on its disk."""
    sizes = ("small", "medium", "large")
    before = [await ask(nodes.all[0], size) for size in sizes]
    await nodes.written(3)
    async with running(nodes.config("new")) as new:
        new.key = nodes.all[0].key
        got = [await ask(new, size) for size in sizes]
        assert [each.cover for each in got] == ["hit"] * 3
        assert [each.body for each in got] == [each.body for each in before]
        assert [each.headers["ETag"] for each in got] == [each.headers["ETag"] for each in before]
        assert not list((Path(new.config.data.dir) / "originals").rglob("*.jpg"))
        assert new.folder.cache.find(Spec(BOOK, "small", Format.JPEG)) is not None
        assert await made(new) == 3


async def test_originals_are_brought_and_verified(nodes: Nodes) -> None:
    """A node without an original renders it from the object store; other bytes are refused."""
    _, one, other = nodes.all
    (key,) = [key for key in nodes.s3.objects if "/originals/" in key]
    body = nodes.s3.objects[key]
    nodes.s3.objects[key] = Stored(body.body[:-1] + b"!", body.modified)
    assert (await ask(one)).cover == "unavailable"
    nodes.s3.objects[key] = body
    assert (await ask(other)).cover == "made"
    (here,) = (Path(other.config.data.dir) / "originals").rglob("*.jpg")
    assert here.read_bytes() == body.body


async def test_a_damaged_object_is_made_again(nodes: Nodes) -> None:
    """A derivative whose bytes do not have their digest is never served."""
    first = await ask(nodes.all[0])
    await nodes.written(1)
    (key,) = nodes.derivatives()
    whole = nodes.s3.objects[key]
    nodes.s3.objects[key] = Stored(whole.body[:-100], whole.modified)
    got = await ask(nodes.all[1])
    assert (got.cover, got.body) == ("made", first.body)


async def is_refused(node: Running) -> bool:
    """Whether the node refuses the key."""
    return bool((await ask(node)).cover == "key")


async def is_missing(node: Running) -> bool:
    """Whether the node shows no cover."""
    return bool((await ask(node)).cover == "missing")


async def has_none(node: Running) -> bool:
    """Whether the node has no derivative on its disk."""
    return not await asyncio.to_thread(lambda: list(node.folder.cache.held(BOOK)))


async def test_changes_are_true_on_all(nodes: Nodes, record_property: Any) -> None:
    """Purged, hidden, revoked on one node: true on all within a second; nothing stale comes back."""
    one, *others = nodes.all
    await asyncio.gather(*map(ask, nodes.all))
    await nodes.written(1)
    took = {}

    async def timed(name: str, holds: Any) -> None:
        started = time.monotonic()
        async with Busy() as busy:
            for node in others:
                await until(partial(holds, node))
        took[name] = time.monotonic() - started - busy.seconds

    await one.covers.purge(BOOK)
    await timed("purge", has_none)
    assert nodes.derivatives() == []
    assert (await ask(others[0])).cover == "made"
    await nodes.written(1)

    await asyncio.to_thread(one.app[CURATOR].hide, BOOK, None, ANNA)
    await timed("hide", is_missing)
    assert len(nodes.derivatives()) == 1  # still there, and not served

    await one.service.accounts.save(replace(one.key, revoked_at=1))
    await timed("revoke", is_refused)
    record_property("seconds", took)
    assert max(took.values()) < PROMISED, took


async def test_a_replaced_cover_is_new_on_all(nodes: Nodes, drawn: Path, tmp_path: Path) -> None:
    """A cover replaced on one node: gone from the others' disks within a second, and never seen again."""
    one, *others = nodes.all
    old = await ask(one)
    assert (await ask(others[0])).cover == "hit"
    coming = tmp_path / "coming"
    coming.mkdir()
    shutil.copy(max(drawn.rglob("*.jpg")), coming / f"{COVERED}.jpg")
    async with Busy() as busy:
        await asyncio.to_thread(take_in, one.config, coming, "copy")
        took = await until(partial(has_none, others[0]))
    assert took - busy.seconds < PROMISED

    async def is_new() -> bool:
        got = [await ask(node) for node in nodes.all]
        return all(each.status == 200 and each.body != old.body for each in got)

    await until(is_new)
    assert await made(one) <= 2


async def faults(node: Running) -> dict[str, str]:
    """What /readyz says, which answers 503 where it says anything."""
    async with node.client.get(node.listeners.ops_url + "/readyz") as response:
        found: dict[str, str] = (await response.json())["faults"]
        assert response.status == (503 if found else 200)
        return found


async def is_told(node: Running, caplog: pytest.LogCaptureFixture) -> None:
    """An object store that is away is in /readyz, in a metric, and once a node in the log."""
    assert "objects" in await faults(node)
    async with node.client.get(node.listeners.ops_url + "/metrics") as response:
        assert "coverproxy_objects_up 0.0" in await response.text()
    told = [each for each in caplog.records if each.getMessage() == "the object store is away"]
    assert 1 <= len(told) <= 2


@pytest.mark.parametrize("how", ["slow", "down"])
async def test_without_the_object_store(nodes: Nodes, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Slow or down: hits and local originals serve, others are unavailable in time; it recovers alone."""
    one, other, _ = nodes.all
    assert (await ask(one)).cover == "made"
    await nodes.written(1)
    nodes.s3.delay, nodes.s3.fault = (5.0, "") if how == "slow" else (0.0, "503")
    started = time.monotonic()
    assert (await ask(one)).cover == "hit"
    assert (await ask(one, "small")).cover == "made"  # its original is on its disk
    got = [await ask(other, size) for size in ("small", "large", "w60", "w160") * 3]
    assert {each.cover for each in got} == {"unavailable"}
    assert time.monotonic() - started < 15
    asked = len(nodes.s3.got)
    for _ in range(10):
        await ask(other, "large")
    assert len(nodes.s3.got) - asked < 10

    await is_told(other, caplog)
    nodes.s3.delay, nodes.s3.fault = 0.0, ""

    async def is_well() -> bool:
        return (await ask(other, "large")).cover in ("made", "hit") and not await faults(other)

    await until(is_well, 60.0)
    await nodes.written(3)  # what was made meanwhile is written too


async def test_a_purge_waits_for_the_object_store(nodes: Nodes) -> None:
    """Purged while the store is away: no node serves the old object again; it goes when the store answers."""
    one, other, _ = nodes.all
    await ask(one)
    await nodes.written(1)
    (old,) = nodes.derivatives()
    nodes.s3.fault = "503"
    assert await one.covers.purge(BOOK) == 1
    assert old in nodes.s3.objects
    nodes.s3.fault = ""
    assert (await ask(other)).cover == "made"

    async def is_new() -> bool:
        return len(nodes.derivatives()) == 1 and nodes.derivatives() != [old]

    await until(is_new)
    assert (await ask(one)).cover == "hit"


async def test_other_settings_show_nothing_old(nodes: Nodes) -> None:
    """A node whose quality was changed shows no object of before, and leaves those to nodes of before. What
    it makes anew costs nobody anything; a size that was never made does."""
    old = await ask(nodes.all[0])
    await nodes.written(1)
    sizes = {"medium": {"jpeg": {"quality": 40}}}
    changed = configured(nodes.folder / "changed", store=nodes.settings, sizes=sizes)
    async with running(changed) as node:
        node.key = nodes.all[0].key
        new = await ask(node)
        assert new.cover == "made"
        assert len(new.body) < len(old.body)
        await nodes.written(2)
        got = await ask(nodes.all[1])
        assert (got.cover, got.body) == ("hit", old.body)
        assert await made(node) == 1
        assert (await ask(node, "small")).cover == "made"
        assert await made(node) == 2
