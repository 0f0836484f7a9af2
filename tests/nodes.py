"""What tests of several nodes share."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from conftest import COVERED, Running
from ending import end

from coverproxy.domain.api_key import Key, new_name
from coverproxy.domain.decisions import Decision
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.server.application import application, listen

BOOK = Identifier(ISBN, COVERED)
ANNA = Decision("anna", 1_800_000_000)

WITHIN = 15.0
"""Seconds that a test waits at most."""

PROMISED = 1.0
"""Seconds in which what one node does is true on all: docs/scale.md."""


@asynccontextmanager
async def running(config: Any) -> AsyncIterator[Running]:
    """A node over its data folder as it is."""
    listeners = listen(config)
    app = application(config, listeners, lambda: None, prestart=False)
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


class Busy:
    """Measures how long the event loop does not run: time that a busy machine has taken from a test."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def __aenter__(self) -> "Busy":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            started = time.monotonic()
            await asyncio.sleep(0.01)
            self.seconds += max(time.monotonic() - started - 0.02, 0.0)


async def until(holds: Callable[[], Awaitable[bool]], within: float = WITHIN) -> float:
    """Wait until something holds; return after how many seconds it did."""
    started = time.monotonic()
    async with asyncio.timeout(within):
        while not await holds():
            await asyncio.sleep(0.02)
    return time.monotonic() - started
