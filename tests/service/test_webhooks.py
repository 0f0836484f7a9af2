"""Webhooks: a receiver that fails, is slow or away gets every change in the end, in order and signed."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from conftest import COVERED, Start
from contracts_catalogue import BOOK
from postgres_server import database, emptied, postgres

from coverproxy.config.base import networks
from coverproxy.domain.decisions import Decision
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.shown_change import ChangeKind, ShownChange
from coverproxy.originals.base import Catalogue
from coverproxy.originals.postgres import PostgresCatalogue
from coverproxy.originals.postgres_changes import ChangeLog
from coverproxy.originals.sqlite import SqliteCatalogue
from coverproxy.service.webhooks import Receiver, Webhooks, secret_of
from coverproxy.sources.http import Manner
from coverproxy.sources.post import Poster
from coverproxy.storage.postgres_news import PostgresNews
from coverproxy.storage.postgres_pool import PostgresPool
from coverproxy.web.app_keys import CURATOR

SECRET = b"a secret that nobody guesses"

__all__ = ["database", "postgres"]  # fixtures


class Host:
    """A receiver: answers as told, and keeps what it took."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.ids: list[str] = []
        self.taken: list[int] = []
        self.redirected = False

    async def start(self, port: int = 0) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        app.router.add_post("/elsewhere", self._elsewhere)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", port)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def _hook(self, request: web.Request) -> web.StreamResponse:
        body, headers = await request.read(), request.headers
        name, at = headers["webhook-id"], headers["webhook-timestamp"]
        expected = hmac.new(SECRET, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
        how = self.answers.pop(0) if self.answers else 200
        if how in (200, "taken"):
            self.taken += [each["number"] for each in orjson.loads(body)["data"]["changes"]]
        self.ids.append(name)
        if how in ("slow", "taken"):
            await asyncio.Event().wait()
        return web.Response(status=how, headers={"Location": "/elsewhere"} if how == 302 else {})

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        self.redirected = True
        return web.Response()


class Clock:
    """A clock that only moves when it is told to."""

    at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[SqliteCatalogue]:
    """An empty catalogue."""
    opened = SqliteCatalogue(tmp_path / "catalogue.db", {})
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """A receiver that is up."""
    made = Host()
    await made.start()
    yield made
    await made.runner.cleanup()


def note(catalogue: Catalogue, count: int = 1) -> None:
    """Have something change."""
    with catalogue.writing() as tables:
        for _ in range(count):
            tables.changed.note(ShownChange(1, BOOK, ChangeKind.REPLACED, None))


@pytest.fixture
async def receiver(host: Host, catalogue: SqliteCatalogue) -> AsyncIterator[Receiver]:
    """The receiver as the config has it, known before anything changes."""
    manner = Manner("coverproxy", {}, networks(("127.0.0.1",)))
    poster = Poster(f"http://127.0.0.1:{host.port}/hook", manner, 0.5)
    catalogue.changed.claim("cdn", 0, 0)
    yield Receiver("cdn", SECRET, poster, 0.5, most=2)
    await poster.aclose()


async def test_every_change_is_told_in_order(
    host: Host, catalogue: SqliteCatalogue, receiver: Receiver
) -> None:
    """In requests of at most so many, until there is nothing more; nothing is sent without a change."""
    hooks = Webhooks(catalogue, (receiver,), Clock())
    assert not await hooks.round(receiver)
    note(catalogue, 5)
    while await hooks.round(receiver):
        pass
    assert (host.taken, len(host.ids)) == ([1, 2, 3, 4, 5], 3)


@pytest.mark.parametrize("how", [500, 302, 404, "slow", "away"])
async def test_what_was_not_taken_is_sent_again(
    host: Host, catalogue: SqliteCatalogue, receiver: Receiver, how: Any
) -> None:
    """Not before its time, which doubles; with the same id; by a process that was started since, too."""
    clock = Clock()
    note(catalogue)
    if how == "away":
        await host.runner.cleanup()
    else:
        host.answers = [how, how]
    for wait in (5, 10):
        assert not await Webhooks(catalogue, (receiver,), clock).round(receiver)
        asked = len(host.ids)
        clock.at += wait - 1
        assert not await Webhooks(catalogue, (receiver,), clock).round(receiver)
        assert len(host.ids) == asked
        clock.at += 1
    if how == "away":
        await host.start(host.port)
    assert await Webhooks(catalogue, (receiver,), clock).round(receiver)
    assert (host.taken, len(set(host.ids)), host.redirected) == ([1], 1, False)


async def test_a_worker_that_dies_delays_it_only(
    host: Host, catalogue: SqliteCatalogue, receiver: Receiver
) -> None:
    """While one worker tells it, no other does; if that one never comes back, another goes on."""
    clock = Clock()
    note(catalogue)
    assert catalogue.changed.claim("cdn", int(clock.at), int(clock.at) + 30) is not None
    hooks = Webhooks(catalogue, (receiver,), clock)
    assert not await hooks.round(receiver)
    clock.at += 30
    assert await hooks.round(receiver)
    assert host.taken == [1]


@pytest.fixture
def nodes(database: str, tmp_path: Path) -> Iterator[tuple[Catalogue, Catalogue]]:
    """The catalogue in PostgreSQL as two nodes have it open."""
    emptied(database)
    with ExitStack() as closing:

        def opened(name: str) -> Catalogue:
            (tmp_path / name).mkdir()
            news = PostgresNews(database)
            changes = ChangeLog(tmp_path / name / "changes.json", lambda: None)
            made = PostgresCatalogue(PostgresPool(database, StoreUnavailable), news, changes, {})
            made.open()
            news.start()
            closing.callback(news.stop)
            closing.callback(made.close)
            return made

        yield opened("one"), opened("other")


@pytest.mark.parametrize("has_arrived", [False, True])
async def test_a_node_that_dies_while_it_tells_loses_nothing(
    host: Host, nodes: tuple[Catalogue, Catalogue], has_arrived: bool
) -> None:
    """One node is cut off in the middle of a delivery, before or after the receiver took it: the other says
    nothing for as long as that one may still be at it, then goes on. Every change arrives, in order; what
    arrived already comes once more under the same id, and nothing else does."""
    one, other = nodes
    clock = Clock()
    poster = Poster(f"http://127.0.0.1:{host.port}/hook", Manner("c", {}, networks(("127.0.0.1",))), 20.0)
    receiver = Receiver("cdn", SECRET, poster, 20.0, most=2)
    one.changed.claim("cdn", 0, 0)
    note(one, 3)
    host.answers = ["taken" if has_arrived else "slow"]
    dying = asyncio.create_task(Webhooks(one, (receiver,), clock).round(receiver))
    async with asyncio.timeout(60):
        while not host.ids:
            await asyncio.sleep(0.01)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    living = Webhooks(other, (receiver,), clock)
    clock.at += 49
    assert not await living.round(receiver)
    clock.at += 1
    note(other, 2)
    while await living.round(receiver):
        pass
    await poster.aclose()

    assert host.taken == ([1, 2] if has_arrived else []) + [1, 2, 3, 4, 5]
    assert host.ids == ["cdn-0-2", "cdn-0-2", "cdn-2-4", "cdn-4-5"]


async def test_private_addresses_are_not_connected_to(
    host: Host, catalogue: SqliteCatalogue, receiver: Receiver
) -> None:
    """As with sources: only where the operator allows the address."""
    note(catalogue)
    poster = Poster(f"http://127.0.0.1:{host.port}/hook", Manner("coverproxy"), 0.5)
    shut = Receiver("cdn", SECRET, poster, 0.5, 2)
    assert not await Webhooks(catalogue, (shut,), Clock()).round(shut)
    await poster.aclose()
    assert host.ids == []


async def test_a_running_service_tells_its_webhook(host: Host, start: Start) -> None:
    """What an administrator hides arrives a moment later, signed with the config's secret."""
    hook = {"name": "cdn", "url": f"http://127.0.0.1:{host.port}/hook", "secret": SECRET.decode()}
    server = await start(webhook=[hook | {"allow": ["127.0.0.0/8"]}])
    book = Identifier(ISBN, COVERED)
    async with asyncio.timeout(60):
        while server.folder.catalogue.changed.cursor("cdn") is None:
            await asyncio.sleep(0.05)
        server.app[CURATOR].hide(book, None, Decision("eva", 1))
        while not host.taken:
            await asyncio.sleep(0.05)
    assert len(host.taken) == 1


def test_secrets_are_read_as_the_standard_has_them() -> None:
    """Base64 after its prefix; any other text is taken as it is."""
    assert secret_of("whsec_" + base64.b64encode(SECRET).decode()) == SECRET
    assert secret_of(SECRET.decode()) == SECRET
    assert secret_of("whsec_???") == b"whsec_???"
