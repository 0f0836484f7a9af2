"""One source over HTTP, against a real server that does everything wrong: what each answer is taken for."""

import asyncio
import hashlib
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from certificates import self_signed
from contracts import MOST, SourceContract
from upstream import (
    BOOK,
    Asked,
    Upstream,
    babble,
    bomb,
    cut,
    cut_chunk,
    endless,
    gives,
    hangs_up,
    head,
    leads,
    picture,
    silent,
    slow_body,
    slow_head,
)

from coverproxy.domain.spec import Identifier
from coverproxy.domain.url_template import Template
from coverproxy.sources.base import Fetched, NotThere, SourceUnavailable, Unchanged, Validators
from coverproxy.sources.http import FetchBounds, HttpSource, Manner
from coverproxy.sources.rules import Missing

ISBN = Identifier("isbn", BOOK)
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
BOUNDS = FetchBounds(seconds=0.6, idle_seconds=0.3, connections=4, bytes=1_000_000)

Make = Callable[..., HttpSource]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A server that gives a picture, until it is told otherwise."""
    async with Upstream(gives(picture())).running() as made:
        yield made


@pytest.fixture
async def make(upstream: Upstream) -> AsyncIterator[Make]:
    """A function that makes a source which asks that server."""
    made: list[HttpSource] = []

    def making(
        url: str | None = None, resolver: AbstractResolver | None = None, **changes: Any
    ) -> HttpSource:
        values = {
            "missing": Missing(),
            "bounds": BOUNDS,
            "manner": Manner("test", allowed=LOOPBACK),
            **changes,
        }
        made.append(HttpSource("up", Template(url or upstream.url), resolver=resolver, **values))
        return made[-1]

    yield making
    for source in made:
        await source.aclose()


@dataclass
class Web:
    """A web server's covers, by ISBN-10, and a source that asks it."""

    upstream: Upstream
    source: HttpSource
    covers: dict[str, tuple[bytes, int]] = field(default_factory=dict)

    def put(self, isbn10: str, body: bytes, modified: int) -> None:
        self.covers[isbn10] = (body, modified)

    def remove(self, isbn10: str) -> None:
        del self.covers[isbn10]

    async def go_down(self) -> None:
        self.upstream.behave = gives(b"", "500 Internal Server Error")

    async def behave(self, asked: Asked) -> None:
        body, modified = self.covers.get(asked.path.strip("/"), (None, 0))
        if body is None:
            return await gives(b"", "404 Not Found")(asked)
        said = {"ETag": f'"{modified}"', "Last_Modified": formatdate(modified, usegmt=True)}
        known = (asked.header("If-None-Match"), asked.header("If-Modified-Since"))
        if said["ETag"] in known or (known[0] is None and said["Last_Modified"] in known):
            return await gives(b"", "304 Not Modified", **said)(asked)
        return await gives(body, **said)(asked)


class TestHttp(SourceContract):
    """A web server keeps what a source promises."""

    @pytest.fixture
    async def place(self, upstream: Upstream, make: Make) -> Web:
        """A web server that has covers by ISBN-10."""
        bounds = replace(BOUNDS, bytes=MOST, seconds=5.0, idle_seconds=2.0)
        web = Web(upstream, make(f"http://127.0.0.1:{upstream.port}/{{isbn10}}", bounds=bounds))
        upstream.behave = web.behave
        return web


async def reason(asking: Awaitable[object]) -> str:
    with pytest.raises(SourceUnavailable) as caught:
        await asking
    return caught.value.reason


async def test_a_picture_is_fetched_with_what_was_said_of_it(upstream: Upstream, make: Make) -> None:
    """The body comes whole, with ETag and Last-Modified as sent, and the date in seconds."""
    said = "Mon, 04 Aug 2008 12:00:00 GMT"
    upstream.behave = gives(picture(), ETag='"abc"', Last_Modified=said)

    assert await make().fetch(ISBN, None) == Fetched(picture(), Validators('"abc"', said), 1_217_851_200)


async def test_the_bytes_of_a_request(
    upstream: Upstream, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This is all that a source is sent: no Referer, cookie, language or address of a client, no proxy."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    source = make(manner=Manner("coverproxy/1 (covers@example.org)", {"X-Client": "library"}, LOOPBACK))
    await source.fetch(ISBN, None)

    assert upstream.asked[0].head.decode() == (
        f"GET /{BOOK}.jpg HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{upstream.port}\r\n"
        "User-Agent: coverproxy/1 (covers@example.org)\r\n"
        "Accept: image/*\r\n"
        "Accept-Encoding: identity\r\n"
        "X-Client: library\r\n"
        "\r\n"
    )


async def test_cookies_are_not_kept(upstream: Upstream, make: Make) -> None:
    """A cookie that a source sets is not sent back."""
    upstream.behave = gives(picture(), Set_Cookie="id=1; Path=/")
    source = make()
    for _ in range(2):
        await source.fetch(ISBN, None)

    assert upstream.asked[1].header("Cookie") is None


async def test_it_is_asked_only_for_another_one(upstream: Upstream, make: Make) -> None:
    """With validators it is asked conditionally, and a 304 is "unchanged"."""
    upstream.behave = gives(b"", "304 Not Modified")
    known = Validators('"abc"', "Mon, 04 Aug 2008 12:00:00 GMT")

    assert await make().fetch(ISBN, known) == Unchanged()
    assert upstream.asked[0].header("If-None-Match") == '"abc"'
    assert upstream.asked[0].header("If-Modified-Since") == "Mon, 04 Aug 2008 12:00:00 GMT"


@pytest.mark.parametrize(
    "etag", ["\udcff\udc80", '"' + "x" * 300 + '"', ""], ids=["no text", "long", "empty"]
)
async def test_validators_that_cannot_be_kept_are_none(upstream: Upstream, make: Make, etag: str) -> None:
    """An ETag that is no text or hardly ends is dropped, and the picture taken."""

    async def behave(asked: Asked) -> None:
        said = head(Content_Length=len(picture()))[:-2] + b"ETag: " + etag.encode(errors="surrogateescape")
        await asked.send(said + b"\r\n\r\n" + picture())

    upstream.behave = behave
    answer = await make().fetch(ISBN, None)

    assert isinstance(answer, Fetched)
    assert not answer.validators.etag


async def test_unchanged_means_nothing_unasked(upstream: Upstream, make: Make) -> None:
    """A 304 to a request without conditions is no answer."""
    upstream.behave = gives(b"", "304 Not Modified")

    assert await reason(make().fetch(ISBN, None)) == "status"


NONE: list[tuple[str, Any, Missing]] = [
    ("404", gives(b"", "404 Not Found"), Missing()),
    ("410", gives(b"gone", "410 Gone"), Missing()),
    ("its own status", gives(b"", "403 Forbidden"), Missing(statuses=frozenset({403}))),
    ("a page", gives(b"<html>sorry", Content_Type="text/HTML; charset=utf-8"), Missing()),
    ("no bytes", gives(b""), Missing()),
    ("few bytes", gives(bytes(999)), Missing(under_bytes=1000)),
    ("a lead to a page", leads("/coverthing404.php"), Missing(redirects=("coverthing404",))),
    ("too many bytes announced", gives(b"", Content_Length=1_000_001), Missing()),
    ("bytes without an end", endless, Missing()),
]


@pytest.mark.parametrize(("behave", "missing"), [each[1:] for each in NONE], ids=[each[0] for each in NONE])
async def test_ways_to_say_none(upstream: Upstream, make: Make, behave: Any, missing: Missing) -> None:
    """Each of these is "not there": asking again would bring the same."""
    upstream.behave = behave

    assert isinstance(await make(missing=missing).fetch(ISBN, None), NotThere)


@pytest.mark.parametrize("kind", ["md5", "sha256"])
async def test_art_is_known_by_its_hash(upstream: Upstream, make: Make, kind: str) -> None:
    """A picture on the list of hashes is "not there"; any other is fetched."""
    listed = frozenset({hashlib.new(kind, picture()).hexdigest()})

    assert isinstance(await make(missing=Missing(hashes=listed)).fetch(ISBN, None), NotThere)
    upstream.behave = gives(picture(301))
    assert isinstance(await make(missing=Missing(hashes=listed)).fetch(ISBN, None), Fetched)


SILENT: list[tuple[str, Any, str]] = [
    ("says nothing", silent, "timeout"),
    ("head byte by byte", slow_head, "timeout"),
    ("body byte by byte", slow_body, "timeout"),
    ("body cut", cut, "cut"),
    ("chunk cut", cut_chunk, "cut"),
    ("hangs up", hangs_up, "protocol"),
    ("not HTTP", babble, "protocol"),
    ("500", gives(b"", "500 Internal Server Error"), "status"),
    ("403", gives(b"", "403 Forbidden"), "status"),
    ("gzip", bomb(), "encoded"),
    ("another encoding", bomb("br, gzip"), "encoded"),
    ("redirect loop", leads("/a.jpg", "/b.jpg"), "redirect"),
    ("redirect to a file", leads("file:///etc/passwd"), "redirect"),
    ("redirect to nothing", leads(""), "redirect"),
    ("redirect to nonsense", leads("http://[::1"), "redirect"),
    ("redirect to metadata", leads("http://169.254.169.254/latest/meta-data"), "address"),
    ("redirect to a private address", leads("http://10.0.0.1/"), "address"),
    ("redirect to mapped metadata", leads("http://[::ffff:169.254.169.254]/"), "address"),
    ("redirect to a decimal address", leads("http://2852039166/"), "protocol"),
]


@pytest.mark.parametrize(("behave", "why"), [each[1:] for each in SILENT], ids=[each[0] for each in SILENT])
async def test_what_is_no_answer(upstream: Upstream, make: Make, behave: Any, why: str) -> None:
    """Each of these is "could not ask", within the time limit, and never "not there"."""
    upstream.behave = behave
    started = time.monotonic()

    assert await reason(make().fetch(ISBN, None)) == why
    assert time.monotonic() - started < 10 * BOUNDS.seconds
    assert len(upstream.asked) <= 4


async def test_no_more_is_read_than_may_be(upstream: Upstream, make: Make) -> None:
    """Of a body without an end hardly more is taken than the limit, and the connection is closed."""
    sent = 0

    async def behave(asked: Asked) -> None:
        nonlocal sent
        await asked.send(head(Content_Type="image/jpeg"))
        while True:
            await asked.send(bytes(65536))
            sent += 65536

    upstream.behave = behave
    answer = await make().fetch(ISBN, None)
    await asyncio.sleep(0.1)

    assert isinstance(answer, NotThere)
    assert sent < BOUNDS.bytes + 10_000_000  # what lies in the sockets' buffers


async def test_a_head_that_fills_memory_is_no_answer(upstream: Upstream, make: Make) -> None:
    """Headers without an end are cut off."""

    async def behave(asked: Asked) -> None:
        await asked.send(head()[:-4])
        for number in range(100_000):
            await asked.send(f"X-{number}: {'x' * 1000}\r\n".encode())

    upstream.behave = behave

    assert await reason(make().fetch(ISBN, None)) in ("protocol", "timeout")


async def test_three_redirects_are_followed(upstream: Upstream, make: Make) -> None:
    """Up to three redirects lead to the picture."""
    ways = iter([leads("/1"), leads("/2"), leads(f"http://127.0.0.1:{upstream.port}/3"), gives(picture())])

    async def behave(asked: Asked) -> None:
        await next(ways)(asked)

    upstream.behave = behave

    assert isinstance(await make().fetch(ISBN, None), Fetched)
    assert [each.path for each in upstream.asked] == [f"/{BOOK}.jpg", "/1", "/2", "/3"]


async def test_no_other_host_gets_the_operators_headers(upstream: Upstream, make: Make) -> None:
    """A redirect to another origin takes neither the source's secret nor a password of an address along."""
    ways = iter([leads(f"http://name:word@127.0.0.2:{upstream.port}/else"), gives(picture())])

    async def behave(asked: Asked) -> None:
        await next(ways)(asked)

    upstream.behave = behave
    elsewhere = await asyncio.start_server(upstream.serve, "127.0.0.2", upstream.port)
    async with elsewhere:
        await make(manner=Manner("t", {"Authorization": "Bearer secret"}, LOOPBACK)).fetch(ISBN, None)

    assert upstream.asked[0].header("Authorization") == "Bearer secret"
    assert upstream.asked[1].path == "/else"
    assert upstream.asked[1].header("Authorization") is None
    assert upstream.asked[1].header("Referer") is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "0x7f.1"])  # noqa: S104
async def test_the_loopback_is_refused_unless_allowed(upstream: Upstream, make: Make, host: str) -> None:
    """However it is written, nothing of this machine is connected to for a source that may not."""
    source = make(f"http://{host}:{upstream.port}/{{isbn13}}", manner=Manner("t"))

    assert await reason(source.fetch(ISBN, None)) == "address"
    assert upstream.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
async def test_an_allowed_host_is_open_at_its_own_port_only(
    upstream: Upstream, make: Make, host: str
) -> None:
    """A redirect to what else listens on an allowed host, or network, is refused before a byte is sent."""
    async with Upstream(gives(picture())).running() as other:
        upstream.behave = leads(f"http://{host}:{other.port}/secret")

        assert await reason(make().fetch(ISBN, None)) == "address"
        assert other.asked == []


class Rebinding(AbstractResolver):
    """A name that is a public address when first asked for, and the loopback from then on."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = iter(addresses)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the next address."""
        self.asked += 1
        address = next(self.addresses)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def test_a_name_that_rebinds_gains_nothing(upstream: Upstream, make: Make) -> None:
    """The address that is connected to is what is checked: a name that changes it is refused."""
    resolver = Rebinding("127.0.0.1", "127.0.0.1")
    source = make(f"http://covers.example.org:{upstream.port}/{{isbn13}}", resolver, manner=Manner("t"))

    assert await reason(source.fetch(ISBN, None)) == "address"
    assert resolver.asked == 1
    assert upstream.asked == []


async def test_a_name_that_rebinds_after_an_answer_gains_nothing(upstream: Upstream, make: Make) -> None:
    """Allowed at first, then another of this machine's addresses: the second connection is refused."""
    allowed = (ipaddress.ip_network("127.0.0.1/32"),)
    resolver = Rebinding("127.0.0.1", "127.0.0.2")
    url = f"http://covers.example.org:{upstream.port}/{{isbn13}}"
    first = make(url, resolver, manner=Manner("t", allowed=allowed))
    second = make(url, resolver, manner=Manner("t", allowed=allowed))

    assert isinstance(await first.fetch(ISBN, None), Fetched)
    assert await reason(second.fetch(ISBN, None)) == "address"
    assert len(upstream.asked) == 1


async def test_a_name_that_is_none(make: Make) -> None:
    """A host that cannot be resolved could not be asked."""
    assert await reason(make("http://nowhere.invalid/{isbn13}").fetch(ISBN, None)) in ("dns", "timeout")


async def test_a_closed_port(upstream: Upstream, make: Make) -> None:
    """A host that takes no connections could not be asked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert await reason(make(f"http://127.0.0.1:{port}/{{isbn13}}").fetch(ISBN, None)) == "connect"


async def test_a_certificate_that_is_none(make: Make, tmp_path: Path) -> None:
    """A server that does not prove who it is could not be asked."""
    certificate, key = await asyncio.to_thread(self_signed, tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    upstream = Upstream(gives(picture()))
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        source = make(f"https://127.0.0.1:{port}/{{isbn13}}")
        assert await reason(source.fetch(ISBN, None)) == "tls"

    assert upstream.asked == []


@pytest.mark.parametrize(
    ("status", "said", "wait"),
    [
        ("429 Too Many Requests", {"Retry_After": "120"}, 120.0),
        ("503 Service Unavailable", {"Retry_After": "7"}, 7.0),
        ("429 Too Many Requests", {}, 60.0),
        ("503 Service Unavailable", {}, None),
        ("503 Service Unavailable", {"Retry_After": "soon"}, None),
        ("500 Internal Server Error", {"Retry_After": "5"}, None),
        ("429 Too Many Requests", {"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
async def test_a_wish_to_be_left_alone_is_understood(
    upstream: Upstream, make: Make, status: str, said: dict[str, str], wait: float | None
) -> None:
    """Retry-After is read, in seconds or as a date; a 429 without one means a minute."""
    upstream.behave = gives(b"", status, **said)
    with pytest.raises(SourceUnavailable) as caught:
        await make().fetch(ISBN, None)

    assert caught.value.retry_after == wait


async def test_a_book_without_isbn10_is_not_there(upstream: Upstream, make: Make) -> None:
    """A source that goes by ISBN-10 is not even asked for a 979."""
    source = make(f"http://127.0.0.1:{upstream.port}/{{isbn10}}")

    assert isinstance(await source.fetch(Identifier("isbn", "9798992242508"), None), NotThere)
    assert upstream.asked == []


async def test_no_text_of_an_error_shows_an_address(upstream: Upstream, make: Make) -> None:
    """What is logged of a failure holds nothing of the URL: a URL may hold a key."""
    for behave in (silent, cut, babble, leads("http://10.0.0.1/secret"), gives(b"", "500 Oh")):
        upstream.behave = behave
        with pytest.raises(SourceUnavailable) as caught:
            await make(f"{upstream.url}?token=secret").fetch(ISBN, None)
        assert "secret" not in str(caught.value)
