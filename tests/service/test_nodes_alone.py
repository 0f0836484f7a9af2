"""Two nodes and their PostgreSQL that is down, slow, or cut off: bounded, told, and well again by itself."""

import asyncio
import time
from functools import partial

import pytest
from conftest import Running
from cut_proxy import CutProxy
from nodes import cover, is_told_down, nodes, running, settings, until, ways
from postgres_server import database, postgres

__all__ = ["cover", "database", "nodes", "postgres", "settings", "ways"]


@pytest.mark.parametrize("cut", ["refuse", "fall_silent"])
async def test_without_the_database_hits_are_served(
    nodes: list[Running], ways: list[CutProxy], cut: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The server down or its cable torn: hits as before, new covers unavailable in time, and recovery."""
    one, _ = nodes
    assert (await one.get(one.path())).cover == "made"
    getattr(ways[0], cut)()
    started = time.monotonic()
    got = [await one.get(one.path(size="large")) for _ in range(12)]

    assert time.monotonic() - started < 30  # each for itself would wait for 3 s
    assert {each.cover for each in got} == {"unavailable"}
    assert (await one.get(one.path())).cover == "hit"
    async with one.client.get(one.listeners.ops_url + "/readyz") as response:
        told = await response.json()
        assert response.status == 503
        assert told["faults"].keys() >= {"catalogue", "keys"}
    async with one.client.get(one.listeners.ops_url + "/metrics") as response:
        text = await response.text()
    ways[0].heal()

    async def is_made() -> bool:
        return (await one.get(one.path(size="large"))).cover == "made"

    await until(is_made, 30.0)

    async def is_ready() -> bool:
        async with one.client.get(one.listeners.ops_url + "/readyz") as response:
            return response.status == 200

    await until(is_ready, 30.0)
    assert "coverproxy_database_up" in text
    assert any(record.levelname == "ERROR" for record in caplog.records)


SIZES = ["small", "large", "w60", "w160", "w320", "w400", "w640", "w800"] * 3


async def test_a_slow_database_holds_nobody_up(
    nodes: list[Running], ways: list[CutProxy], caplog: pytest.LogCaptureFixture
) -> None:
    """Each answer after 5 s: hits go on at once, new covers are refused in time and do not pile up, and it is
    told in the log, a metric and /readyz; it recovers by itself.
    """
    one, _ = nodes
    assert (await one.get(one.path())).cover == "made"
    ways[0].delay = 5.0
    started = time.monotonic()
    waiting = [asyncio.ensure_future(one.get(one.path(size=size))) for size in SIZES]
    took = [await hit_seconds(one) for _ in range(20)]
    assert sorted(took)[10] < 4.5  # what asks the database takes 5 s
    assert {(await each).cover for each in waiting} <= {"unavailable", "pending"}
    assert time.monotonic() - started < 60

    await until(partial(is_told_down, one))
    asked = time.monotonic()
    got = await asyncio.gather(*(one.get(one.path(size=size)) for size in SIZES))
    assert {each.cover for each in got} == {"unavailable"}
    assert time.monotonic() - asked < 30
    assert any("no answer in" in str(vars(each).get("error", "")) for each in caplog.records)
    ways[0].delay = 0.0

    async def is_made() -> bool:
        return (await one.get(one.path(size="large"))).cover in ("made", "hit")

    await until(is_made, 60.0)


async def hit_seconds(node: Running) -> float:
    """How long a hit takes."""
    asked = time.monotonic()
    assert (await node.get(node.path())).cover == "hit"
    return time.monotonic() - asked


@pytest.mark.parametrize("settings", [{"keys_valid_seconds": 1.5}])
async def test_keys_are_not_trusted_for_ever(nodes: list[Running], ways: list[CutProxy]) -> None:
    """A node that is cut off for longer than the bound serves no key and has no link; then it does again."""
    one, _ = nodes
    assert (await one.get(one.path())).cover == "made"
    ways[0].refuse()
    links = one.folder.cache.layout.by_key

    async def is_closed() -> bool:
        linked = await asyncio.to_thread((links / one.key.name).is_symlink)
        return not linked and (await one.get(one.path())).cover == "unavailable"

    await until(is_closed, 45.0)
    ways[0].heal()

    async def is_open() -> bool:
        linked = await asyncio.to_thread((links / one.key.name).is_symlink)
        return linked and (await one.get(one.path())).cover == "hit"

    await until(is_open, 45.0)


async def test_a_node_starts_without_the_database(nodes: list[Running], ways: list[CutProxy]) -> None:
    """A node that starts while the server is away goes on without, and needs no restart once it is back."""
    one, other = nodes
    config = other.config.model_copy(
        update={"data": one.config.data.model_copy(update={"dir": other.config.data.dir + "-new"})}
    )
    ways[1].refuse()
    async with running(config) as late:
        assert (await late.get(late.path(key=one.key.name))).cover == "unavailable"
        ways[1].heal()

        async def is_made() -> bool:
            return (await late.get(late.path(key=one.key.name))).cover == "made"

        await until(is_made, 30.0)
