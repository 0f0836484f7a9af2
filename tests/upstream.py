"""A source of covers that is a real server, and can do everything wrong."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

from ending import drop
from images import cover, jpeg

from coverproxy.demo.classics import MISSING

BOOK = MISSING.isbns[0]
"""An ISBN-13 that the drawn covers have none of."""

Behaviour = Callable[["Asked"], Awaitable[None]]


@dataclass
class Asked:
    """A request as it came over the wire, and the way to answer it."""

    head: bytes
    writer: asyncio.StreamWriter
    at: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> str:
        """What was asked for."""
        return self.head.split(b" ", 2)[1].decode()

    def header(self, name: str) -> str | None:
        """A header's value."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            found, _, value = line.partition(":")
            if found.lower() == name.lower():
                return value.strip()
        return None

    async def send(self, *parts: bytes, pause: float = 0.0) -> None:
        """Write, with a pause after each part."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(pause)


@dataclass
class Upstream:
    """The server. `behave` answers; `asked` is all that came."""

    behave: Behaviour
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Upstream"]:
        """Listen on a free port of the loopback."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._serving):
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)
            await drop(asked.writer.transport for asked in self.asked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            asked = Asked(await reader.readuntil(b"\r\n\r\n"), writer)
            self.asked.append(asked)
            await self.behave(asked)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it hung up, or the test is over
        finally:
            writer.close()

    @property
    def url(self) -> str:
        """The address of a cover, as a source's template."""
        return f"http://127.0.0.1:{self.port}/{{isbn13}}.jpg"

    def source(self, **values: object) -> dict[str, object]:
        """A source's table that asks this server."""
        return {
            "name": "up", "kind": "http", "url": self.url, "allow": ["127.0.0.0/8"], "timeout_seconds": 6.0,
            "idle_seconds": 3.0, "requests_per_second": 1000.0, "burst": 1000, **values,
        }  # fmt: skip


def head(status: str = "200 OK", **headers: object) -> bytes:
    """The first lines of an answer (a name's _ is a -); the connection is closed after it."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "Connection: close", "", ""]).encode()


@cache
def picture(width: int = 300, height: int = 450) -> bytes:
    """A cover as a JPEG file."""
    return jpeg(cover(width, height))


def gives(body: bytes, status: str = "200 OK", **headers: object) -> Behaviour:
    """Answers at once and right."""

    async def behave(asked: Asked) -> None:
        length = {"Content_Length": len(body)} if "Content_Length" not in headers else {}
        await asked.send(head(status, **length, **headers) + body)

    return behave


def leads(*addresses: str) -> Behaviour:
    """Redirects: to the first address, from there to the second, and so on round and round."""
    turn = iter(addresses * 100)

    async def behave(asked: Asked) -> None:
        await asked.send(head("302 Found", Location=next(turn), Content_Length=0))

    return behave


async def of_its_own(asked: Asked) -> None:
    """Gives every book another picture, as it should be."""
    await gives(picture(300 + sum(asked.path.encode()) % 50, 450))(asked)


async def slow_head(asked: Asked) -> None:
    """A byte of the head every tenth of a second: never idle, never done."""
    await asked.send(*(bytes([byte]) for byte in head() * 10), pause=0.1)


async def slow_body(asked: Asked) -> None:
    """The head at once, then a byte every tenth of a second."""
    body = picture()
    await asked.send(head(Content_Length=len(body)))
    await asked.send(*(bytes([byte]) for byte in body), pause=0.1)


async def silent(asked: Asked) -> None:
    """Takes the request, and says nothing."""
    await asyncio.sleep(60)


async def endless(asked: Asked) -> None:
    """A body without an end, as fast as it goes."""
    await asked.send(head(Content_Type="image/jpeg"))
    while True:
        await asked.send(b"\xff" * 65536)


async def cut(asked: Asked) -> None:
    """Half of the body that was announced, then no connection."""
    body = picture()
    await asked.send(head(Content_Length=len(body)) + body[: len(body) // 2])


async def cut_chunk(asked: Asked) -> None:
    """A body in chunks that breaks off within one."""
    await asked.send(head(Transfer_Encoding="chunked") + b"ffff\r\n" + picture()[:5000])


async def hangs_up(asked: Asked) -> None:
    """No answer at all."""


async def babble(asked: Asked) -> None:
    """An answer that is not HTTP."""
    await asked.send(b"220 mail.example.org ESMTP ready\r\n\r\n")


def bomb(encoding: str = "gzip") -> Behaviour:
    """A few kilobytes that unpack to a thousand times as much."""
    body = gzip.compress(bytes(4_000_000))
    return gives(body, Content_Type="image/jpeg", Content_Encoding=encoding)


def storm(asked_before: int, after: Behaviour) -> Behaviour:
    """Status 500 so many times, then better."""
    left = iter(range(asked_before))

    async def behave(asked: Asked) -> None:
        failing = next(left, None) is not None
        await (gives(b"", "500 Internal Server Error") if failing else after)(asked)

    return behave
