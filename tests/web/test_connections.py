"""Connections are bounded in number and in time, with real sockets."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from coverproxy.web.connections import (
    MOST_CONNECTIONS,
    BeforeRouter,
    BoundedRunner,
    ConnectionLimits,
    Handle,
    fitting,
)  # fmt: skip
from coverproxy.web.plain_head import PlainHead

Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class AtOnce:
    """Answers every plain request at once, and counts."""

    def __init__(self, body: bytes = b"here") -> None:
        self.count = 0
        self._sent = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    def __call__(self, handle: Handle) -> Handle:
        return handle

    def at_once(self, head: PlainHead) -> bytes:
        self.count += 1
        return self._sent

    def unread(self, head: bytes) -> None:
        return None


@asynccontextmanager
async def serving(
    body: bytes = b"here", around: BeforeRouter | None = None, **limits: Any
) -> AsyncIterator[Callable[[], Awaitable[Opened]]]:
    """Serve *body* within some limits; yield what opens a connection."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/", answer)
    app.router.add_post("/", answer)
    runner = BoundedRunner(app, ConnectionLimits(**limits), around, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    opened: list[Opened] = []

    async def connect() -> Opened:
        opened.append(await asyncio.open_connection(*runner.addresses[0][:2]))
        return opened[-1]

    try:
        yield connect
    finally:
        for _, writer in opened:
            writer.transport.abort()
        await runner.cleanup()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


async def answered(connection: Opened) -> bool:
    """Say whether a connection answers a request; it stays open."""
    reader, writer = connection
    try:
        writer.write(GET)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        return head.startswith(b"HTTP/1.1 200 ") and await reader.readexactly(4) == b"here"
    except (asyncio.IncompleteReadError, ConnectionError):
        return False


async def seconds_until_closed(reader: asyncio.StreamReader) -> float:
    started = time.monotonic()
    with suppress(ConnectionResetError):  # it is closed so if the server had not read all that was sent
        await asyncio.wait_for(reader.read(), 60)
    return time.monotonic() - started


async def test_the_longest_idle_one_gives_way(caplog: pytest.LogCaptureFixture) -> None:
    """Fifty idle connections where ten are allowed: the next gets its answer, and the log one line."""
    async with serving(most=10) as connect:
        idle = [await connect() for _ in range(50)]

        assert await answered(await connect())
        assert sum([not reader.at_eof() for reader, _ in idle]) <= 50
        await until(lambda: sum([reader.at_eof() for reader, _ in idle]) >= 40)
        assert len(caplog.records) == 1
        assert "too many connections" in caplog.records[0].message


async def test_one_that_just_asked_outlives_those_that_never_did() -> None:
    """A connection that was answered a moment ago is kept before one that has said nothing for longer."""
    async with serving(most=10) as connect:
        silent = [await connect() for _ in range(9)]
        used = await connect()
        assert await answered(used)
        others = [await connect() for _ in range(9)]

        assert await answered(used)
        await until(lambda: all(reader.at_eof() for reader, _ in silent))
        assert not any(reader.at_eof() for reader, _ in others)


async def test_a_slow_head_is_given_up() -> None:
    """A head that comes byte by byte is given up when its time is over, however lively it is."""
    async with serving(head_seconds=0.5) as connect:
        reader, writer = await connect()
        closing = asyncio.create_task(seconds_until_closed(reader))
        writer.write(GET[:-2] + b"X: ")
        while not closing.done():
            writer.write(b"a")
            await asyncio.sleep(0.05)

        assert 0.4 < await closing < 30


async def test_a_slow_second_head_is_given_up_too() -> None:
    """The time begins anew with the first byte of each head; idle time before it does not count."""
    async with serving(head_seconds=0.5, idle_seconds=30.0) as connect:
        connection = await connect()
        assert await answered(connection)
        await asyncio.sleep(1.2)
        assert await answered(connection)
        connection[1].write(GET[:9])

        assert 0.4 < await seconds_until_closed(connection[0]) < 30


async def test_an_idle_connection_is_closed() -> None:
    """After an answer a connection may be silent for its idle time, and no longer (aiohttp: an hour)."""
    async with serving(idle_seconds=0.5) as connect:
        connection = await connect()
        assert await answered(connection)

        assert 0.3 < await seconds_until_closed(connection[0]) < 30


async def test_one_that_was_answered_at_once_is_closed_too() -> None:
    """So it is after answers that went past the parser; each of them begins the idle time anew."""
    around = AtOnce()
    async with serving(around=around, idle_seconds=1.5) as connect:
        connection = await connect()
        for _ in range(3):
            assert await answered(connection)
            await asyncio.sleep(0.8)
        assert await answered(connection)

        assert 1.0 < await seconds_until_closed(connection[0]) < 30
    assert around.count == 4


async def test_one_that_was_answered_at_once_ends_with_the_server() -> None:
    """No task ever answered on it; a server that stops closes it all the same."""
    around = AtOnce()
    async with serving(around=around) as connect:
        _, other = await connect()  # what it opens is aborted before the server stops
        connection = await asyncio.open_connection(*other.get_extra_info("peername"))
        assert await answered(connection)
        assert not connection[0].at_eof()

    assert await seconds_until_closed(connection[0]) < 30
    assert around.count == 1
    connection[1].close()


async def test_who_does_not_read_is_not_answered_at_once() -> None:
    """Answers are written at once only while nothing waits to be sent: the rest waits in the kernel."""
    around = AtOnce(b"x" * 3_000_000)
    async with serving(around=around) as connect:
        _, writer = await connect()
        for _ in range(20):
            writer.write(GET)
            await asyncio.sleep(0.01)

        assert 1 <= around.count <= 5


async def test_who_does_not_read_is_given_up() -> None:
    """An answer that is not taken is given up after a while, and what was written for it is freed."""
    async with serving(b"x" * 30_000_000, send_seconds=0.5) as connect:
        reader, writer = await connect()
        writer.write(GET)
        await asyncio.sleep(4)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(30_000_000)


async def test_an_unwanted_body_that_never_comes_is_given_up() -> None:
    """A body that nobody reads is waited for a moment only, after the answer."""
    async with serving(linger_seconds=0.3) as connect:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")

        assert await seconds_until_closed(reader) < 30


@pytest.mark.parametrize(
    ("files", "most"),
    [
        (1024, 768), (256, 128), (100, 50), (65_536, MOST_CONNECTIONS),
        (resource.RLIM_INFINITY, MOST_CONNECTIONS),
    ],
)  # fmt: skip
def test_connections_leave_room_for_files(files: int, most: int) -> None:
    """A process has fewer connections than files, as it also needs files of its own."""
    assert fitting(files) == most
