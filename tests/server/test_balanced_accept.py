"""Accepting: workers share their connections, and nobody waits for a worker that is gone."""

import asyncio
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from ending import end
from hypothesis import given
from hypothesis import strategies as st
from running import Serve, Served, data, held, serve, workers

from coverproxy.server.balanced_accept import SLACK, SharedSite, Shares, room

__all__ = ["data", "serve"]  # fixtures


async def connected(served: Served, count: int) -> list[asyncio.StreamWriter]:
    """Open that many connections at once, each with a request that was answered."""
    host, _, port = served.url.removeprefix("http://").partition(":")

    async def one() -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 404")
        return writer

    return await asyncio.gather(*(one() for _ in range(count)))


@pytest.mark.parametrize("count", [8, 32])
async def test_clients_that_stay_are_spread_over_the_workers(serve: Serve, data: Path, count: int) -> None:
    """Of 8 or 32 connections opened at once and kept, each of two workers mostly holds a third at least.

    A worker that gets no processor for a moment rightly loses its part: three of five must do.
    """
    served = serve("--workers", "2")
    pair = await both(served)
    smallest = sorted([min(await shared_out(served, pair, count)) for _ in range(5)])

    assert smallest[2] >= count // 3


async def shared_out(served: Served, pair: list[int], count: int) -> list[int]:
    """Open connections, and count what each worker has of them before they are closed again."""
    before = [held(worker) for worker in pair]
    writers = await connected(served, count)
    shares = [held(worker) - was for worker, was in zip(pair, before, strict=True)]
    for writer in writers:
        writer.close()
    async with asyncio.timeout(60):
        while [held(worker) for worker in pair] != before:
            await asyncio.sleep(0.02)
    assert sum(shares) == count
    return shares


async def both(served: Served) -> list[int]:
    """The two workers, once each has shown that it answers."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        pair = sorted(workers(served))
        before = [held(worker) for worker in pair]
        writers = await connected(served, 8)
        grown = [held(worker) > was for worker, was in zip(pair, before, strict=True)]
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.1)
        if len(pair) == 2 and all(grown):
            return pair
    raise AssertionError("two workers must answer")


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_worker_that_stands_still_keeps_nobody_waiting(serve: Serve, data: Path, number: int) -> None:
    """With one of two workers stopped or killed, the other answers every new connection."""
    served = serve("--workers", "2")
    idle, _ = await both(served)
    os.kill(idle, number)
    try:
        for _ in range(5):
            async with asyncio.timeout(60):  # what the stopped one accepts is never answered
                (writer,) = await connected(served, 1)
            writer.close()
    finally:
        if number == signal.SIGSTOP:
            os.kill(idle, signal.SIGCONT)


@given(least=st.integers(0, 500), more=st.integers(0, 500))
def test_nobody_takes_more_than_a_little_beyond_the_least(least: int, more: int) -> None:
    """A worker ends little above the least laden, however many wait; the least laden may always accept."""
    mine = least + more
    may = room(mine, least)
    assert 0 <= may <= 64
    assert may == 0 or mine + may <= least + SLACK + 1
    assert (may > 0) == (mine <= least + SLACK)


def test_places_are_given_anew_and_the_closed_are_passed_over() -> None:
    """A freed place goes to the next worker; who accepts nothing counts neither as laden nor as idle."""
    shares = Shares(3)
    first, second, third = (shares.take(owner) for owner in (10, 11, 12))
    assert {first, second, third} == {0, 1, 2}
    shares.tell(first, 7)
    assert shares.least() == 7
    shares.tell(second, 0)
    assert shares.least() == 0
    shares.close(second)
    assert shares.least() == 7
    shares.tell(third, 3)
    shares.free(12)
    assert shares.least() == 7
    assert shares.take(13) == third
    with pytest.raises(ValueError, match="empty"):
        shares.take(14)


@asynccontextmanager
async def sharing(listener: socket.socket, shares: Shares, place: int) -> AsyncIterator[None]:
    """A worker's part, in this process."""

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=f"{place}")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await SharedSite(runner, listener, shares, place).start()
    yield
    await end(runner)


async def test_no_open_file_left_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    """Where no connection can be accepted for want of open files, the site waits, says so, and goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        async with sharing(listener, Shares(1), 0):
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            try:
                client.connect(listener.getsockname())
                await asyncio.sleep(0.05)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            reader, writer = await asyncio.open_connection(sock=client)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()

    assert [record.message for record in caplog.records] == ["no connection can be accepted"]
