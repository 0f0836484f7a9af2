"""A client for arrivals that wait for nobody: asks at given moments, and times from those.

Each answer is timed from the moment at which it should have been asked for, whether or not those before have
come back: a server that stalls is not spared the readers who would have come meanwhile (coordinated
omission). It reads HTTP/1.1 with a Content-Length, as all servers here answer, and nothing else: a whole HTTP
client would take several times the CPU, from the same cores.
"""

import asyncio
import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import uvloop

TIMEOUT_SECONDS = 30.0
MOST_CONNECTIONS = 2000

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
"""What Chrome accepts for an image; Firefox and Safari name AVIF and WebP, too."""


class Ask(NamedTuple):
    """A request to come: seconds from the start, method, path, what sort of reader asks.

    `is_conditional`: with If-None-Match, once a cover of that path has been seen.
    """

    at: float
    path: str
    kind: str = "get"
    method: str = "GET"
    is_conditional: bool = False


class Answer(NamedTuple):
    """An answer: its request's moment and sort, seconds from that moment, status, X-Cover-Status, bytes.

    A request that failed has status 0, and the failure's name as label.
    """

    at: float
    kind: str
    seconds: float
    status: int
    label: str
    length: int


def apart(url: str, asks: Sequence[Ask], accept: str = "") -> list[Answer]:
    """Ask in a process of its own, of higher priority where that is allowed; return all answers.

    It must not wait for a core that the server has: that would be timed as the server's.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_collected, (url, asks, accept))


def _collected(url: str, asks: Sequence[Ask], accept: str) -> list[Answer]:
    answers: list[Answer] = []
    run(url, asks, answers.append, accept)
    return answers


def run(url: str, asks: Iterable[Ask], told: Callable[[Answer], None], accept: str = "") -> None:
    """Ask, in this process; *told* gets every answer as it comes."""
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Readers(url, told, accept).ask_all(asks))


class _Readers:
    """All readers of one server, and the connections that they share."""

    def __init__(self, url: str, told: Callable[[Answer], None], accept: str = "") -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._host = parts.netloc
        self._told = told
        self._accept = f"Accept: {accept}\r\n" if accept else ""
        self._free: list[_Connection] = []
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        self._tags: dict[str, str] = {}

    async def ask_all(self, asks: Iterable[Ask]) -> None:
        started = time.perf_counter() + 0.1
        async with asyncio.TaskGroup() as group:
            for ask in asks:
                if (early := started + ask.at - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                group.create_task(self._ask(ask, started + ask.at))
        for connection in self._free:
            connection.close()

    async def _ask(self, ask: Ask, moment: float) -> None:
        moment = min(moment, time.perf_counter())  # the loop's timers may be a millisecond early
        status, length, label = 0, 0, ""
        headers: dict[bytes, bytes] = {}
        try:
            async with self._places, asyncio.timeout(TIMEOUT_SECONDS):
                status, headers, length = await self._exchange(ask)
            label = headers.get(b"x-cover-status", b"").decode()
        except (OSError, TimeoutError) as exc:
            label = type(exc).__name__
        if ask.method == "GET" and status == 200 and label in ("hit", "made"):
            self._tags[ask.path] = headers.get(b"etag", b"").decode()
        self._told(Answer(ask.at, ask.kind, time.perf_counter() - moment, status, label, length))

    async def _exchange(self, ask: Ask) -> tuple[int, dict[bytes, bytes], int]:
        connection = await self._connection()
        tag = self._tags.get(ask.path) if ask.is_conditional else None
        condition = f"If-None-Match: {tag}\r\n" if tag else ""
        head = (
            f"{ask.method} {ask.path} HTTP/1.1\r\nHost: {self._host}\r\nSec-Fetch-Dest: image\r\n"
            f"{self._accept}{condition}"
        )
        try:
            answer = await connection.exchange(f"{head}\r\n".encode(), is_head=ask.method == "HEAD")
        except BaseException:  # what may still come on it would be taken for the next one's answer
            connection.close()
            raise
        if connection.is_open:
            self._free.append(connection)
        return answer

    async def _connection(self) -> "_Connection":
        while self._free:
            connection = self._free.pop()
            if connection.is_open:
                return connection
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(_Connection, *self._address))[1]


class _Connection(asyncio.Protocol):
    """One connection, and the answer that it waits for."""

    def __init__(self) -> None:
        self.is_open = False
        self._transport: Any = None
        self._waiting: asyncio.Future[tuple[int, dict[bytes, bytes], int]] | None = None
        self._received = bytearray()
        self._is_head = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.is_open = transport, True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError())

    def close(self) -> None:
        self.is_open = False
        self._transport.close()

    async def exchange(self, request: bytes, *, is_head: bool) -> tuple[int, dict[bytes, bytes], int]:
        """Send one request; return its answer's status, headers and the length of its body."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._is_head = is_head
        self._received.clear()
        self._transport.write(request)
        return await self._waiting

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or not self._waiting or self._waiting.done():
            return
        first, *lines = bytes(self._received[:end]).split(b"\r\n")
        status = int(first[9:12])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        has_body = not self._is_head and status not in (204, 304)
        length = int(headers.get(b"content-length", 0)) if has_body else 0
        if len(self._received) >= end + 4 + length:
            self.is_open = self.is_open and headers.get(b"connection", b"").lower() != b"close"
            self._waiting.set_result((status, headers, length))


async def ask_once(
    url: str, paths: Sequence[str], at_once: int, accept: str = "*/*"
) -> list[tuple[int, str, bytes]]:
    """Ask for every path once, *at_once* at a time; return status, X-Cover-Status and body of each."""
    import aiohttp

    found: dict[str, tuple[int, str, bytes]] = {}
    waiting = iter(paths)

    async def ask(client: aiohttp.ClientSession) -> None:
        for path in waiting:
            async with client.get(url + path) as answer:
                body = await answer.read()
                found[path] = (answer.status, answer.headers.get("X-Cover-Status", ""), body)

    async with aiohttp.ClientSession(headers={"Sec-Fetch-Dest": "image", "Accept": accept}) as client:
        await asyncio.gather(*(ask(client) for _ in range(at_once)))
    return [found[path] for path in paths]
