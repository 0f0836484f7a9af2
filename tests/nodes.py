"""What tests of several nodes share."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from conftest import COVERED, Running, configured, take_in
from cut_proxy import CutProxy
from decoders import processes
from ending import end
from postgres_server import Cluster, emptied

from coverproxy.domain.api_key import Key, new_name
from coverproxy.domain.decisions import Decision
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.server.application import application, listen

BOOK = Identifier(ISBN, COVERED)
ANNA = Decision("anna", 1_800_000_000)

WITHIN = 60.0
"""Seconds that a test waits at most."""

PROMISED = 1.0
"""Seconds in which what one node does is true on all: docs/scale.md."""


@asynccontextmanager
async def running(config: Any) -> AsyncIterator[Running]:
    """A node over its data folder as it is."""
    listeners = listen(config)
    app = application(config, listeners, lambda: None, processes=processes(config))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listeners.covers).start()
    async with aiohttp.ClientSession() as client:
        try:
            yield Running(config, app, listeners, client, Key(new_name(), "tests", 1000))
        finally:
            await end(runner)


@pytest.fixture(scope="module")
def cover(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the drawn cover of one book."""
    folder = tmp_path_factory.mktemp("cover")
    shutil.copy(min(drawn.rglob("*.jpg")), folder / f"{COVERED}.jpg")
    return folder


def stalled() -> float:
    """Seconds since the start in which somebody on this machine waited for a core; 0 if it does not tell."""
    try:
        some = Path("/proc/pressure/cpu").read_text().split("\n")[0]
    except OSError:
        return 0.0
    return int(some.rpartition("total=")[2]) / 1_000_000


class Busy:
    """Measures the time that a busy machine has taken from a test: in which its event loop did not run, or
    somebody waited for a core, as a node's threads, nginx and PostgreSQL may.
    """

    def __init__(self) -> None:
        self._late = 0.0

    @property
    def seconds(self) -> float:
        """How much until now."""
        return max(self._late, stalled() - self._stalled)

    async def __aenter__(self) -> "Busy":
        self._stalled = stalled()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            started = time.monotonic()
            await asyncio.sleep(0.01)
            self._late += max(time.monotonic() - started - 0.02, 0.0)


async def until(holds: Callable[[], Awaitable[bool]], within: float = WITHIN) -> float:
    """Wait until something holds; return after how many seconds it did."""
    started = time.monotonic()
    async with asyncio.timeout(within):
        while not await holds():
            await asyncio.sleep(0.02)
    return time.monotonic() - started


async def is_told_down(node: Running) -> bool:
    """Whether /readyz and the metrics say that the database is away."""
    async with node.client.get(node.listeners.ops_url + "/readyz") as response:
        faults = (await response.json())["faults"]
    async with node.client.get(node.listeners.ops_url + "/metrics") as response:
        is_down = "coverproxy_database_up 0.0" in await response.text()
    return is_down and faults.keys() >= {"catalogue", "keys"}


@pytest.fixture
def ways(postgres: Cluster) -> Iterator[list[CutProxy]]:
    """Each node's way to the database."""
    with CutProxy(postgres.port) as one, CutProxy(postgres.port) as other:
        yield [one, other]


Settings = dict[str, Any]


@pytest.fixture
def settings() -> Settings:
    """What [store] has beside its URL."""
    return {}


@pytest.fixture
async def nodes(
    database: str, ways: list[CutProxy], tmp_path: Path, cover: Path, postgres: Cluster, settings: Settings
) -> AsyncIterator[list[Running]]:
    """Two nodes with one cover in their common catalogue, and one key that both know."""
    url = emptied(database)
    configs = [
        configured(
            tmp_path / f"node{number}",
            store={"url": url.replace(f":{postgres.port}", f":{way.port}")} | settings,
        )
        for number, way in enumerate(ways)
    ]
    await asyncio.to_thread(take_in, configs[0], cover, "reference")
    async with running(configs[0]) as one, running(configs[1]) as other:
        await one.service.accounts.save(one.key)
        other.key = one.key
        yield [one, other]
