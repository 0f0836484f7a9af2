"""Hits answered past the parser: only where a parser would see just this request, and in their turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import hdrs
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from conftest import Running
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.web import plain_head
from coverproxy.web.connections import MAX_HEADERS, MAX_LINE_BYTES

_LINES = (
    "GET /a HTTP/1.1", "HEAD /b?x HTTP/1.1", "GET /a HTTP/1.0", "POST /a HTTP/1.1", "GET  /a HTTP/1.1",
    "GET http://x/a HTTP/1.1", "GET /ä HTTP/1.1", "GET * HTTP/1.1", "get /a HTTP/1.1", "GET /a", "",
)  # fmt: skip
_NAMES = (
    "Host", "Accept", "accept", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect",
    "If-None-Match", "Range", "X", "Upgrade-Insecure-Requests", "Content-Type", "Host ", "A_b", "Trailer",
    "CONTENT-LENGTH", "transfer-encoding", "conNection", "HTTP2-Settings",
)  # fmt: skip
_VALUES = (
    "x", "", " x ", " keep-alive", "Keep-Alive", "close", "Upgrade", "0", " 5", "chunked", " 100-continue",
    " image/webp, */*", "\t", "a\tb", "ä", "x\r\n y", "websocket", "keep-alive, Upgrade", "identity",
)  # fmt: skip


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Requests of which most have a catch, and some bytes changed."""
    lines = [draw(st.sampled_from(_LINES)), "Host: x"]
    for name, value in draw(st.lists(st.tuples(*map(st.sampled_from, (_NAMES, _VALUES))), max_size=3)):
        lines.append(f"{name}:{value}")
    end = draw(st.sampled_from(["\r\n"] * 4 + ["\n"]))
    tail = draw(st.sampled_from([""] * 4 + ["GET /c HTTP/1.1\r\n\r\n", "x", "\r\n"]))
    made = bytearray((end.join([*lines, "", ""]) + tail).encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        made[draw(st.integers(0, len(made) - 1))] = draw(st.integers(0, 255))
    return bytes(made)


class _Protocol:
    """What the parser wants of a connection."""

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def parsed(received: bytes) -> tuple[str, str, tuple[str, ...]] | None:
    """What aiohttp's parser makes of it; None unless that is one whole request, without a body, kept open."""
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(
            _Protocol(), loop, 2**16, max_line_size=MAX_LINE_BYTES, max_headers=MAX_HEADERS  # type: ignore[arg-type]
        )  # fmt: skip
        messages, is_upgraded, tail = parser.feed_data(received)
    except HttpProcessingError:
        return None
    finally:
        loop.close()
    if len(messages) != 1 or is_upgraded or tail:
        return None
    message, payload = messages[0]
    if message.should_close or message.upgrade or message.chunked or not payload.is_eof():
        return None
    return message.method, message.path, tuple(message.headers.getall("Accept", ()))


@given(heads())
def test_a_parser_sees_the_same(received: bytes) -> None:
    """What is taken for a plain head is one to aiohttp's parser: the same, whole, without a body after it."""
    head = plain_head.read(received)

    assert head is None or parsed(received) == (head.method, head.path, head.accepts)


def test_no_header_that_a_parser_knows_is_overlooked() -> None:
    """The same with each header that aiohttp or its parser has a name for, and each of the values."""
    known = {str(name) for name in vars(hdrs).values() if isinstance(name, str)} | {"Proxy-Connection"}
    wrong = []
    for name in sorted(known):
        for value in _VALUES:
            received = f"GET /a HTTP/1.1\r\nHost: x\r\n{name}:{value}\r\n\r\n".encode()
            head = plain_head.read(received)
            if head and parsed(received) != (head.method, head.path, head.accepts):
                wrong.append((name, value))
    assert wrong == []


@pytest.mark.parametrize(
    "lines",
    [
        b"", b"Accept: image/avif,image/webp,*/*;q=0.8\r\n", b"connection: keep-alive\r\nTE: trailers\r\n",
        b"Upgrade-Insecure-Requests: 1\r\nCookie: a=b; c=d\r\n",
    ],
)  # fmt: skip
def test_browsers_heads_are_plain(lines: bytes) -> None:
    """The heads of browsers are taken, conditional ones too, which are only answered by the parser's way."""
    head = b"GET /a HTTP/1.1\r\nHost: x\r\n" + lines
    for condition, is_conditional in (
        (b"", False),
        (b'if-none-match: "a"\r\n', True),
        (b"Range: b\r\n", True),
    ):
        found = plain_head.read(head + condition + b"\r\n")
        assert found is not None
        assert found.is_conditional == is_conditional


class Client:
    """A connection on which a test writes bytes itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> tuple[dict[str, str], bytes]:
        """Read one answer: its status as "", its headers but those of the moment, and its body."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)).decode()
        status, *lines = head.strip().split("\r\n")
        told = dict(line.split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(told.get("Content-Length", 0)))
        return {"": status, **{name: told[name] for name in told if name not in ("Date", "RateLimit")}}, body

    async def ask(self, *pieces: bytes) -> tuple[dict[str, str], bytes]:
        """Send a request in pieces, and read its answer."""
        for piece in pieces:
            self.writer.write(piece)
            await asyncio.sleep(0.02)
        return await self.answer()


@asynccontextmanager
async def connected(server: Running) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(*server.listeners.covers.getsockname())
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def head_of(path: str, lines: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nSec-Fetch-Dest: image\r\n{lines}\r\n".encode()


async def test_both_ways_say_the_same(server: Running) -> None:
    """A head in one piece and one in two, from disk and from memory: the same answer, header by header."""
    path = server.path()
    await server.get(path)
    async with connected(server) as whole, connected(server) as parted:
        for _ in range(3):
            told, body = await whole.ask(head_of(path))
            assert (told, body) == await parted.ask(head_of(path)[:30], head_of(path)[30:])
            assert told["X-Cover-Status"] == "hit"
        again, nothing = await whole.ask(head_of(path, f"If-None-Match: {told['ETag']}\r\n"))
        assert (again[""], nothing) == ("HTTP/1.1 304 Not Modified", b"")
        assert (told, body) == await whole.ask(head_of(path))


async def test_a_body_never_passes_for_a_request(server: Running) -> None:
    """The body of a refused upload that reads like a hit's head is swallowed as the body that it is."""
    await server.get(server.path())
    inner = head_of(server.path())
    async with connected(server) as client:
        post = f"POST {server.path()} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(inner)}\r\n\r\n"
        told, _ = await client.ask(post.encode())
        assert told[""].startswith("HTTP/1.1 405 ")
        client.writer.write(inner)
        await asyncio.sleep(0.1)
        told, _ = await client.ask(head_of("/robots.txt"))

    assert told["Content-Type"].startswith("text/plain")


async def test_answers_keep_their_order(server: Running) -> None:
    """A hit that is asked for while a slower request is under way is answered after it."""
    await server.get(server.path())
    async with connected(server) as client:
        client.writer.write(head_of(server.path(size="w320")))
        await asyncio.sleep(0)
        client.writer.write(head_of(server.path()))
        first, second = [(await client.answer())[0] for _ in range(2)]

    assert [each["X-Cover-Status"] for each in (first, second)] == ["made", "hit"]
    assert int(first["X-Cover-Size"].partition("x")[0]) > int(second["X-Cover-Size"].partition("x")[0])
