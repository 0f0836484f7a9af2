"""A client for arrivals that wait for nobody: asks at given moments, and times from those.

Each answer is timed from the moment at which it should have been asked for, whether or not those before have
come back: a server that stalls is not spared the readers who would have come meanwhile (coordinated
omission). It reads HTTP/1.1 with a Content-Length, as all servers here answer, and nothing else, over
sockets and epoll without an event loop: whatever it takes, it takes from the server's cores. A connection
that is free is taken again in turn, the one that is free longest first: were it the latest, a worker that
refuses at once would get its connections back, and so most of the next requests.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import re
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30.0
MOST_CONNECTIONS = 2000

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
"""What Chrome accepts for an image; Firefox and Safari name AVIF and WebP, too."""

_LEAD_SECONDS = 0.1
_LOOK_SECONDS = 1.0
"""How often it looks for requests that take too long."""

_RECEIVED_BYTES = 262_144

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n")
_LABEL = re.compile(rb"\r\nx-cover-status: *([a-z-]+)\r\n")
_TAG = re.compile(rb"\r\netag: *([^\r]+)\r\n")
_CLOSES = b"\r\nconnection: close\r\n"


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


class Told(NamedTuple):
    """All answers, and the seconds of CPU time that asking for them took."""

    answers: list[Answer]
    cpu_seconds: float


def apart(url: str, asks: Sequence[Ask], accept: str = "") -> list[Answer]:
    """Return all answers, asked for by a process of its own; see told_apart()."""
    return told_apart(url, asks, accept).answers


def told_apart(url: str, asks: Sequence[Ask], accept: str = "") -> Told:
    """Ask in a process of its own, of higher priority where that is allowed.

    It must not wait for a core that the server has: that would be timed as the server's.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_collected, (url, asks, accept))


def _collected(url: str, asks: Sequence[Ask], accept: str) -> Told:
    answers: list[Answer] = []
    gc.disable()  # nothing here is a cycle, and a look at all answers would hold up the next ones
    before = time.process_time()
    run(url, asks, answers.append, accept)
    return Told(answers, time.process_time() - before)


def run(
    url: str, asks: Iterable[Ask], told: Callable[[Answer], None], accept: str = "", *, niceness: int = -10
) -> None:
    """Ask, in this process; *told* gets every answer as it comes. *niceness*: what it adds to its own."""
    with contextlib.suppress(PermissionError):
        os.nice(niceness)
    with select.epoll() as events:
        _Readers(url, told, accept, events).ask_all(iter(asks))


class _Connection:
    """One connection, and the request that it carries: its ask, its moment, and until when it may take."""

    __slots__ = ("ask", "moment", "number", "received", "request", "socket", "until")

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(address)
        self.number = self.socket.fileno()
        self.ask: Ask | None = None
        self.moment = self.until = 0.0
        self.request = self.received = b""


class _Readers:
    """All readers of one server, and the connections that they share."""

    def __init__(self, url: str, told: Callable[[Answer], None], accept: str, events: select.epoll) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        lines = f"Host: {parts.netloc}\r\nSec-Fetch-Dest: image\r\n"
        self._lines = lines + (f"Accept: {accept}\r\n" if accept else "")
        self._told = told
        self._events = events
        self._open: dict[int, _Connection] = {}
        self._free: deque[_Connection] = deque()
        self._waiting: deque[tuple[Ask, float]] = deque()
        self._busy = 0
        self._tags: dict[str, str] = {}
        self._space = memoryview(bytearray(_RECEIVED_BYTES))  # kept: recv() would map and unmap it each time

    def ask_all(self, asks: Iterator[Ask]) -> None:
        """Ask each at its moment, until all are answered."""
        started = time.perf_counter() + _LEAD_SECONDS
        following = next(asks, None)
        look_at = started
        while following is not None or self._busy or self._waiting:
            now = time.perf_counter()
            while following is not None and started + following.at <= now:
                self._begin(following, started + following.at)
                following = next(asks, None)
            if now >= look_at:
                self._end_late(now)
                look_at = now + _LOOK_SECONDS
            until = look_at if following is None else min(look_at, started + following.at)
            self._await(until - time.perf_counter())
        for connection in self._open.values():
            connection.socket.close()

    def _await(self, seconds: float) -> None:
        """Handle what comes within so many seconds: select() counts microseconds, epoll milliseconds."""
        if select.select([self._events], [], [], max(seconds, 0))[0]:
            for number, _ in self._events.poll(0):
                if connection := self._open.get(number):  # else closed since, for what came before
                    self._on_event(connection)

    def _begin(self, ask: Ask, moment: float) -> None:
        """Send a request on a free connection, or on a new one; it waits where there are too many."""
        if self._busy >= MOST_CONNECTIONS:
            self._waiting.append((ask, moment))
            return
        self._busy += 1
        connection = self._free.popleft() if self._free else self._connected()
        tag = self._tags.get(ask.path) if ask.is_conditional else None
        condition = f"If-None-Match: {tag}\r\n" if tag else ""
        text = f"{ask.method} {ask.path} HTTP/1.1\r\n{self._lines}{condition}\r\n"
        connection.ask, connection.moment, connection.until = ask, moment, moment + TIMEOUT_SECONDS
        connection.request, connection.received = text.encode(), b""
        self._send(connection)

    def _connected(self) -> _Connection:
        connection = _Connection(self._address)
        self._open[connection.number] = connection
        self._events.register(connection.number, select.EPOLLIN)
        return connection

    def _send(self, connection: _Connection) -> None:
        """Send the request, at the latest once the connection is there."""
        try:
            connection.socket.send(connection.request)
        except BlockingIOError:
            self._events.modify(connection.number, select.EPOLLIN | select.EPOLLOUT)
            return
        except OSError as exc:
            self._fail(connection, exc)
            return
        connection.request = b""

    def _on_event(self, connection: _Connection) -> None:
        if connection.request:
            self._events.modify(connection.number, select.EPOLLIN)
            self._send(connection)
            return
        try:
            received = bytes(self._space[: connection.socket.recv_into(self._space)])
        except BlockingIOError:
            return
        except OSError as exc:
            self._fail(connection, exc)
            return
        if not received:
            self._fail(connection, ConnectionResetError())
        elif connection.ask is not None:
            connection.received = connection.received + received if connection.received else received
            self._read(connection, connection.ask)

    def _read(self, connection: _Connection, ask: Ask) -> None:
        """Take the answer, if all of it has come."""
        received = connection.received
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        head, status = received[: end + 2], int(received[9:12])
        names = head.lower()
        has_body = ask.method != "HEAD" and status not in (204, 304)
        length = int(found[1]) if has_body and (found := _LENGTH.search(names)) else 0
        if len(received) < end + 4 + length:
            return
        label = found[1].decode() if (found := _LABEL.search(names)) else ""
        if ask.method == "GET" and status == 200 and label in ("hit", "made") and (tag := _TAG.search(names)):
            self._tags[ask.path] = head[tag.start(1) : tag.end(1)].decode()
        self._done(connection, ask, status, label, length)
        if _CLOSES in names:
            self._close(connection)
        else:
            self._free.append(connection)
        self._next()

    def _done(self, connection: _Connection, ask: Ask, status: int, label: str, length: int) -> None:
        seconds = time.perf_counter() - connection.moment
        connection.ask, connection.received = None, b""
        self._busy -= 1
        self._told(Answer(ask.at, ask.kind, seconds, status, label, length))

    def _next(self) -> None:
        if self._waiting and self._busy < MOST_CONNECTIONS:
            self._begin(*self._waiting.popleft())

    def _fail(self, connection: _Connection, fault: OSError) -> None:
        """Give up a connection; what may still come on it would be taken for the next one's answer."""
        if connection.ask is None:
            self._free.remove(connection)
        else:
            self._done(connection, connection.ask, 0, type(fault).__name__, 0)
        self._close(connection)
        self._next()

    def _close(self, connection: _Connection) -> None:
        del self._open[connection.number]
        connection.socket.close()

    def _end_late(self, now: float) -> None:
        """Give up on requests that take too long."""
        for connection in list(self._open.values()):
            if connection.ask is not None and now > connection.until:
                self._fail(connection, TimeoutError())


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
