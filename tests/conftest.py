"""What the tests share: a real server on a free port over a data folder of its own, and a browser."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import surroundings
from aiohttp import web
from browser import Chromium, Page
from cost import pytest_addoption, pytest_runtest_makereport, pytest_sessionstart, pytest_terminal_summary
from decoders import processes
from ending import end
from order import pytest_collection_modifyitems
from standing import Standing
from stock import configured, drawn, drawn_isbns, fill, stocked, take_in

from coverproxy.config import Config
from coverproxy.demo.classics import CLASSICS, MISSING
from coverproxy.domain.api_key import Key, new_name
from coverproxy.log import forget_faults
from coverproxy.server.application import SERVICE, Listeners, application, listen
from coverproxy.service.covers import Covers
from coverproxy.web import bounds
from coverproxy.web.app_keys import COVERS
from coverproxy.web.connections import BoundedRunner
from coverproxy.wiring.data_folder import DataFolder
from coverproxy.wiring.service import Service

__all__ = [
    "configured",
    "drawn",
    "drawn_isbns",
    "fill",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_runtest_makereport",
    "pytest_sessionstart",
    "pytest_terminal_summary",
    "stocked",
    "surroundings",
    "take_in",
]  # fmt: skip

COVERED = CLASSICS[0].isbns[0]
"""An ISBN-13 that has a cover."""

UNCOVERED = MISSING.isbns[0]
"""An ISBN-13 that has none."""

BROWSER = {"Sec-Fetch-Dest": "image"}
"""What a browser sends with an image; without it a client counts as automated."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes test: none beside this one for a single file, which is over before they are there.

    Else two more than there are cores, as tests wait two thirds of their time, for servers that start and for
    limits that pass; but at most four, as many a test starts two or four processes of its own.
    --dist=worksteal keeps a module's tests together, and so what they share, as long as no process has run
    out of work.
    """
    named = {argument.partition("::")[0] for argument in config.args}
    if len(named) == 1 and Path(named.pop()).is_file():
        return 0
    return min(len(os.sched_getaffinity(0)) + 2, 4)


# Until all tests are collected the garbage collector would look again and again at what stays.
gc.disable()


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what stays to the end: 300,000 objects, 0.2 s at each look."""
    gc.enable()
    gc.collect()
    gc.freeze()


@dataclass
class Running:
    """A server that runs in this process, a client for it, and one key."""

    config: Config
    app: web.Application
    listeners: Listeners
    client: aiohttp.ClientSession
    key: Key

    @property
    def covers(self) -> Covers:
        """The service that it asks: its verbs, and nothing behind them."""
        return self.app[COVERS]

    @property
    def service(self) -> Service:
        """Everything that the server has opened."""
        return self.app[SERVICE]

    @property
    def folder(self) -> DataFolder:
        """Its data folder: catalogue, originals, cache."""
        return self.service.folder

    @property
    def originals(self) -> Path:
        """The folder of originals."""
        return self.folder.data / "originals"

    def path(self, isbn: str = COVERED, size: str = "medium", key: str | None = None) -> str:
        """A cover's path."""
        return f"/devkey/{key or self.key.name}/{size}/isbn/{isbn}"

    async def get(self, path: str, method: str = "GET", **headers: str) -> "Got":
        """Ask for a path as a browser would, with other headers where given (a name's _ is a -)."""
        sent = BROWSER | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, self.listeners.url + path, headers=sent) as response:
            return Got(response.status, response.headers, await response.read())

    async def new_key(self, **values: Any) -> Key:
        """Make another key."""
        fields: dict[str, Any] = {"label": "another", "daily_limit": 1000} | values
        key = Key(new_name(), **fields)
        await self.enter(key)
        return key

    async def enter(self, key: Key) -> None:
        """Enter a key, or what has changed of it."""
        await self.service.accounts.save(key)


@dataclass
class Shared(Running):
    """A server that many tests ask: each has a client and a key of its own, and changes nothing else.

    What a test asks for may be there already, as another has had it made.
    """

    standing: Standing

    async def enter(self, key: Key) -> None:
        """Enter a key."""
        await self.standing.do(super().enter(key))


@dataclass(frozen=True)
class Got:
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def cover(self) -> str:
        """What X-Cover-Status says."""
        return self.headers.get("X-Cover-Status", "")


Start = Callable[..., Awaitable[Running]]

Stand = Callable[..., tuple[Config, Standing]]


@pytest.fixture(autouse=True)
def _no_fault_before() -> None:
    """A fault that another test met is logged all the same."""
    forget_faults()


@pytest.fixture
async def start(tmp_path: Path, drawn: Path, stocked: Path) -> AsyncIterator[Start]:
    """A function that starts a server with the drawn covers in, over a new data folder unless one is given.

    Keyword arguments are config sections.
    """
    closing: list[Callable[[], Awaitable[None]]] = []

    async def starting(folder: Path | None = None, **sections: Any) -> Running:
        config = configured(folder or tmp_path / f"data{len(closing)}", **sections)
        await asyncio.to_thread(fill, config, stocked, drawn)
        listeners = listen(config)
        app = application(config, listeners, lambda: None, processes=processes(config))
        runner = BoundedRunner(app, around=bounds.around(app), shutdown_timeout=2.0)
        await runner.setup()
        await web.SockSite(runner, listeners.covers).start()
        client = aiohttp.ClientSession(auto_decompress=False)
        closing.append(partial(end, runner))
        closing.append(client.close)
        running = Running(config, app, listeners, client, Key(new_name(), "tests", 1000))
        await running.service.accounts.save(running.key)
        return running

    yield starting
    for close in reversed(closing):
        await close()


@pytest.fixture
async def server(start: Start) -> Running:
    """A server with default settings."""
    return await start()


@pytest.fixture(scope="module")
def stand(drawn: Path, stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A function that returns the module's server of some config sections, which its first call starts."""
    known: dict[str, tuple[Config, Standing]] = {}

    def standing(**sections: Any) -> tuple[Config, Standing]:
        if (name := repr(sections)) not in known:
            config = configured(tmp_path_factory.mktemp("standing") / "data", **sections)
            fill(config, stocked, drawn)
            listeners = listen(config)
            app = application(config, listeners, lambda: None, processes=processes(config))
            known[name] = config, Standing(app, listeners)
        return known[name]

    yield standing
    for _, each in known.values():
        each.close()


@pytest.fixture
async def share(stand: Stand) -> AsyncIterator[Start]:
    """A function that returns the module's server of some config sections: for tests that change nothing.

    Each test has a client and a key of its own. Starting a server takes longer than most answers.
    """
    given: list[Running] = []
    async with AsyncExitStack() as stack:

        async def sharing(**sections: Any) -> Running:
            config, standing = stand(**sections)
            client = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
            key = Key(new_name(), "tests", 1000)
            shared = Shared(config, standing.app, standing.listeners, client, key, standing)
            await shared.enter(key)
            given.append(shared)
            return shared

        yield sharing
    for each in given:
        each.service.renders.taken = 0  # a test may have filled the queue


@pytest.fixture
async def shared(share: Start) -> Running:
    """The module's server with default settings, for tests that change nothing."""
    return await share()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One Chromium for all tests: starting it takes longer than most of them."""
    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
async def tab(chromium: Chromium) -> AsyncIterator[Page]:
    """A tab of a real browser, with cookies of its own."""
    async with chromium.tab() as page:
        yield page
