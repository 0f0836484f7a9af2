"""Every address of every shape, by the table: none is a way round key, quota, pace or site binding."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from conftest import COVERED, Got, Running, Start

from coverproxy.domain.spec import Identifier
from coverproxy.web.api.address import Parameter
from coverproxy.web.shapes.base import Route, Shape
from coverproxy.web.shapes.table import SHAPES

EXAMPLE = "9780141439556"
"""The ISBN of the table's examples."""

KEY_FIELDS = ("client", "UserID", "apikey", "access_token")
XML = (
    '<ContentCafe xmlns="http://ContentCafe2.btol.com"><RequestItems><RequestItem>'
    '<Key>{value}</Key><Content Type="M" Encoding="HEX">JacketDetail</Content>'
    "</RequestItem></RequestItems></ContentCafe>"
)

ROUTES = [(shape, route) for shape in SHAPES for route in shape.routes if route.gives]


def values(parameters: tuple[Parameter, ...], key: str, book: str) -> Iterator[tuple[Parameter, str]]:
    """The examples of the table, with the key and the book in their places."""
    for each in parameters:
        text = str(each.example).replace(EXAMPLE, book).replace("0141439556", book)
        yield each, key if each.name in KEY_FIELDS else text


def address(route: Route, key: str, book: str, before: str = "") -> str:
    """A route's address by its examples, with the key in its own field, below *before*."""
    path, query = route.path, []
    for each, text in values(route.parameters, key, book):
        if each.place == "path":
            path = path.replace(f"{{{each.name}}}", quote(text, safe=""))
        elif text and each.name not in ("callback", "default"):
            query.append(f"{each.name}={quote(text, safe='')}")
    return before + path + ("?" + "&".join(query) if query else "")


async def asked(server: Running, shape: Shape, route: Route, key: str, **headers: str) -> list[Got]:
    """Ask a route with a key in its path, and in its own field."""
    found = []
    for before in (f"/devkey/{key}", ""):
        path = address(route, key, COVERED, before).replace("{client}", key).replace("abcdefgh23456789", key)
        if route.method == "get":
            found.append(await server.get(path, **headers))
            continue
        body, kind = (
            (XML.format(value=COVERED), "text/xml")
            if shape.name == "contentcafe"
            else (f"isbn={COVERED}", "application/x-www-form-urlencoded")
        )
        url, sent = server.listeners.url + path, {"Content-Type": kind, **headers}
        async with server.client.post(url, data=body, headers=sent) as response:
            found.append(Got(response.status, response.headers, await response.read()))
    return found


def is_shut(shape: Shape, got: Got) -> bool:
    """Whether an answer gives nothing away: no picture, no address, and the word for a key."""
    is_refused = got.status == (200 if shape.name == "amazon" else 403) and got.cover == "key"
    return is_refused and not got.body.startswith(b"\xff\xd8") and COVERED.encode() not in got.body


@pytest.fixture
async def made(server: Running) -> Running:
    """A server that has a book's cover in every size: what is made is given away most easily."""
    for size in ("small", "medium", "large", "w800", "w1000"):
        await server.get(server.path(size=size))
    return server


async def test_every_address_needs_a_key_that_may(made: Running) -> None:
    """Unknown, revoked and missing keys, and those bound elsewhere, get nothing by any address."""
    bound = await made.new_key(sites=("opac.example.org",))
    revoked = await made.new_key(revoked_at=1)
    for shape, route in ROUTES:
        for key in ("nosuchkeynosuchkey", bound.name, revoked.name):
            for got in await asked(made, shape, route, key, Referer="https://evil.example/"):
                if got.status == 404 and not route.has_root:
                    continue  # the home page stands at the root
                assert is_shut(shape, got) or got.headers["Content-Type"].startswith("text/html"), (
                    shape.name, route.path, key, got,
                )  # fmt: skip


async def test_a_bound_key_works_from_its_site(made: Running) -> None:
    """The same addresses answer from the site that the key is bound to."""
    bound = await made.new_key(sites=("opac.example.org",))
    for shape, route in ROUTES:
        got = (await asked(made, shape, route, bound.name, Referer="https://opac.example.org/1"))[0]
        assert got.status in (200, 303), (shape.name, route.path, got)
        assert got.cover != "key"


async def test_every_picture_counts(start: Start) -> None:
    """A key that may make none gets none by any address; for another each size counts once, whoever asks."""
    server = await start()
    poor = await server.new_key(daily_limit=0)
    for shape, route in ROUTES:
        for got in await asked(server, shape, route, poor.name):
            assert not got.body.startswith(b"\xff\xd8"), (shape.name, route.path)
            assert b"<Jacket>" not in got.body
    assert server.service.accounts.made_today(poor) == 0
    for shape, route in ROUTES:
        await asked(server, shape, route, server.key.name)
    sizes = {each.size for each in server.folder.cache.held(Identifier("isbn", COVERED))}
    assert server.service.accounts.made_today(server.key) == len(sizes)


async def test_every_picture_keeps_the_pace(start: Start) -> None:
    """A program that has made what it may at once is held back by every address that would make a cover."""
    server = await start(automated={"covers_per_second": 0.001, "burst": 1})
    program = {"Sec_Fetch_Dest": "", "User_Agent": "curl/8"}
    await server.get(server.path(size="w160"), **program)
    for shape, route in ROUTES:
        if route.is_image and route.method == "get":
            for got in await asked(server, shape, route, server.key.name, **program):
                is_page = got.headers["Content-Type"].startswith("text/html")
                assert is_page or not got.body.startswith(b"\xff\xd8"), (shape.name, route.path, got.cover)
    assert server.service.accounts.made_today(server.key) == 1


BAD = ("%00", "..%2F..%2Fetc%2Fpasswd", "null", "%FF%FE", "a%27b%22c%3Cd", ",".join("1" for _ in range(1001)))


async def test_bad_input_is_the_shapes_own_refusal(made: Running) -> None:
    """Nulls, dots, quotes, 1,001 numbers, 20,000 characters: never our fault, and no other kind of answer."""
    key = made.key.name
    for shape, route in ROUTES:
        if route.method != "get":
            continue
        for bad in (*BAD, "x" * 20_000):
            path = address(route, key, "BOOK", f"/devkey/{key}").replace("abcdefgh23456789", key)
            got = await made.get(path.replace("BOOK", bad))
            assert got.status < 500, (shape.name, route.path, bad[:20], got)
            assert got.cover or got.status == 200, (shape.name, route.path, bad[:20], got)
            if shape.name == "amazon":
                assert got.status == 200
            kinds = ("image/", "application/", "text/plain", "text/xml")
            assert got.headers["Content-Type"].startswith(kinds), (shape.name, bad[:20], got)
