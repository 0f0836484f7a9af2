"""Two nodes that share one PostgreSQL, each with its data folder: what one does is true on the other."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from conftest import UNCOVERED, Running, configured, take_in
from cut_proxy import CutProxy
from ending import end
from nodes import ANNA, BOOK, PROMISED, Busy, cover, is_told_down, nodes, running, settings, until, ways
from postgres_server import Cluster, database, emptied, postgres

from coverproxy.domain.api_key import Key, new_name
from coverproxy.service.webhooks import LOOK_SECONDS
from coverproxy.web.app_keys import CURATOR
from coverproxy.wiring.data_folder import open_shelf

__all__ = ["cover", "database", "nodes", "postgres", "settings", "ways"]


@dataclass
class Hook:
    """What a webhook's receiver got: the requests' ids, and the numbers of the changes."""

    url: str = ""
    ids: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.ids.append(request.headers["webhook-id"])
        self.numbers += [each["number"] for each in (await request.json())["data"]["changes"]]
        return web.Response()


@pytest.fixture
async def listener() -> AsyncIterator[Hook]:
    """A webhook's receiver."""
    hook, app = Hook(), web.Application()
    app.router.add_post("/", hook.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield hook
    await end(runner)


async def test_keys_are_known_everywhere(nodes: list[Running]) -> None:
    """A key made on one node works on the other; one revoked there is refused here, and its link is gone."""
    one, other = nodes
    assert (await one.get(one.path())).cover == "made"
    links = other.folder.cache.layout.by_key

    async def has_link() -> bool:
        return await asyncio.to_thread((links / one.key.name).is_symlink)

    await until(has_link)
    assert (await other.get(other.path())).status == 200
    await one.service.accounts.save(replace(one.key, revoked_at=1))

    async def is_refused() -> bool:
        return (await other.get(other.path())).cover == "key" and not await has_link()

    await until(is_refused)


async def test_what_is_hidden_on_one_is_gone_on_the_other(nodes: list[Running]) -> None:
    """A book hidden on one node shows no cover on the other, from disk or memory; restored, it does."""
    one, other = nodes
    for _ in range(2):
        assert (await other.get(other.path())).status == 200
    assert (await other.get(other.path())).cover == "hit"
    await asyncio.to_thread(one.app[CURATOR].hide, BOOK, None, ANNA)

    async def is_missing() -> bool:
        return (await other.get(other.path())).cover == "missing"

    await until(is_missing)
    assert list(other.folder.cache.held(BOOK)) == []
    await asyncio.to_thread(one.app[CURATOR].restore, BOOK, None, ANNA)

    async def is_made() -> bool:
        return (await other.get(other.path())).cover in ("made", "hit")

    await until(is_made)


async def test_what_is_purged_on_one_is_purged_on_the_other(nodes: list[Running]) -> None:
    """A purge on one node removes the other's derivatives too."""
    one, other = nodes
    assert (await other.get(other.path())).cover == "made"
    await one.covers.purge(BOOK)

    async def is_gone() -> bool:
        return not list(await asyncio.to_thread(lambda: list(other.folder.cache.held(BOOK))))

    await until(is_gone)


async def test_a_new_original_ends_missing_everywhere(
    nodes: list[Running], drawn: Path, tmp_path: Path
) -> None:
    """What one node remembers as missing it shows once another takes in an original of it."""
    one, other = nodes
    assert (await other.get(other.path(UNCOVERED))).cover == "missing"
    coming = tmp_path / "coming" / f"{UNCOVERED}.jpg"
    coming.parent.mkdir()
    coming.write_bytes(next(drawn.rglob("*.jpg")).read_bytes())
    await asyncio.to_thread(take_in, one.config, coming.parent, "reference")

    async def is_there() -> bool:
        return (await other.get(other.path(UNCOVERED))).cover in ("made", "hit")

    await until(is_there)


@pytest.mark.parametrize(
    ("cut", "is_long"), [("fall_silent", False), ("fall_silent", True), ("refuse", True)]
)
async def test_a_node_that_was_cut_off_catches_up(
    nodes: list[Running], ways: list[CutProxy], cut: str, is_long: bool
) -> None:
    """What changed while a node was cut off is true there within a second of the cut's end.

    Nobody tells it anything, and it is asked all the time, so that some wait for the server as the cut ends.
    Long: until all of its connections are given up, and the server is left alone for a second at a time.
    """
    one, other = nodes
    links = other.folder.cache.layout.by_key / one.key.name
    new = Key(new_name(), "later", 1000)
    assert (await other.get(other.path())).cover == "made"
    getattr(ways[1], cut)()
    await asyncio.to_thread(one.app[CURATOR].hide, BOOK, None, ANNA)
    await one.service.accounts.save(new)
    await one.service.accounts.save(replace(one.key, revoked_at=1))
    assert (await other.get(other.path())).cover == "hit"  # as last known
    if is_long:
        await until(partial(is_told_down, other))
    asking = asyncio.create_task(ask_for_new_covers(other))

    async def is_true() -> bool:
        gone = not await asyncio.to_thread(lambda: list(other.folder.cache.held(BOOK)))
        return gone and (await other.get(other.path())).cover == "key" and not links.is_symlink()

    async with Busy() as busy:
        await asyncio.to_thread(ways[1].heal)
        took = await until(is_true)
    asking.cancel()
    assert took - busy.seconds < PROMISED
    assert (await other.get(other.path(key=new.name))).cover == "missing"


async def test_one_webhook_is_told_each_change_once(
    database: str, tmp_path: Path, cover: Path, listener: Hook
) -> None:
    """Both nodes have the same receiver: whichever comes first tells it a change, and the other does not."""
    hook = {"name": "cdn", "url": listener.url, "secret": "a secret that nobody guesses"}
    more = {"store": {"url": emptied(database)}, "webhook": [hook | {"allow": ["127.0.0.0/8"]}]}
    configs = [configured(tmp_path / name, **more) for name in "ab"]
    await asyncio.to_thread(take_in, configs[0], cover, "reference")
    async with running(configs[0]) as one, running(configs[1]):
        changed = one.folder.catalogue.changed

        async def is_begun() -> bool:
            return await asyncio.to_thread(changed.cursor, "cdn") is not None

        async def are_told(count: int) -> bool:
            return len(set(listener.numbers)) >= count

        await until(is_begun)
        for count in range(1, 4):
            act = one.app[CURATOR].hide if count % 2 else one.app[CURATOR].restore
            await asyncio.to_thread(act, BOOK, None, ANNA)
            await until(partial(are_told, count))
        await asyncio.sleep(2 * LOOK_SECONDS)  # the other's turn has come by then
    assert len(listener.numbers) == len(set(listener.numbers)) == 3
    assert len(set(listener.ids)) == len(listener.ids)


@pytest.mark.parametrize("cut", ["refuse", "fall_silent"])
async def test_a_node_that_hears_nothing_looks(
    postgres: Cluster, database: str, tmp_path: Path, cover: Path, cut: str
) -> None:
    """Only listening is cut off: what is hidden, purged or revoked elsewhere is true here all the same."""
    url = emptied(database)
    with CutProxy(postgres.port) as way:
        store = {"url": url, "listen_url": url.replace(f":{postgres.port}", f":{way.port}")}
        configs = [configured(tmp_path / "a", store={"url": url}), configured(tmp_path / "b", store=store)]
        await asyncio.to_thread(take_in, configs[0], cover, "reference")
        async with running(configs[0]) as one, running(configs[1]) as other:
            await one.service.accounts.save(one.key)
            other.key = one.key
            await until(partial(is_there, other))
            getattr(way, cut)()
            await asyncio.to_thread(one.app[CURATOR].hide, BOOK, None, ANNA)
            await until(partial(is_missing, other), 60.0)
            assert list(other.folder.cache.held(BOOK)) == []
            await one.service.accounts.save(replace(one.key, revoked_at=1))
            await until(partial(is_refused, other), 60.0)


async def ask_for_new_covers(node: Running) -> None:
    """Ask for covers that need the database, for ever."""
    while True:
        await asyncio.gather(*(node.get(node.path(size=size)) for size in ("small", "large")))
        await asyncio.sleep(0.1)


async def is_there(node: Running) -> bool:
    """Whether the node shows the cover."""
    return (await node.get(node.path())).cover in ("made", "hit")


async def is_missing(node: Running) -> bool:
    """Whether the node shows no cover."""
    return (await node.get(node.path())).cover == "missing"


async def is_refused(node: Running) -> bool:
    """Whether the node refuses the key."""
    return (await node.get(node.path())).cover == "key"


async def test_a_cover_that_both_make_counts_once(nodes: list[Running]) -> None:
    """Both nodes asked at once, several times, for one cold cover: its key pays for one."""
    asked = [node.get(node.path(size="small")) for node in nodes for _ in range(5)]
    got = await asyncio.gather(*asked)

    assert {each.status for each in got} == {200}
    assert len({each.body for each in got}) == 1
    one = nodes[0].service.accounts
    assert await one.counts.made([nodes[0].key.name], one.today()) == {nodes[0].key.name: 1}


def test_commands_use_the_shared_catalogue(database: str, tmp_path: Path, cover: Path) -> None:
    """What a command takes in on one node another's finds; neither makes a file for a database."""
    url = emptied(database)
    here, there = (configured(tmp_path / name, store={"url": url}) for name in "ab")
    take_in(here, cover, "reference")
    with open_shelf(there) as shelf:
        assert len(shelf.catalogue.find(BOOK)) == 1
        assert shelf.catalogue.totals() == (1, 1)
    assert list(tmp_path.rglob("*.db")) == []
