"""A real nginx with the printed configuration answers as the app does, and gives out derivatives only."""

import asyncio
import logging
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from cases import HARD, SOFT
from certificates import self_signed
from conftest import BROWSER, COVERED, UNCOVERED, Got, Running, Stand, Start
from ending import end
from fronting import before, fronted, laid, printed, standing_before
from images import small_jpeg
from ports import free_port
from running import Serve, data, key, serve, workers
from stdnum import isbn as stdnum_isbn
from yarl import URL

from coverproxy.domain import isbn, schemes
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import PLACEHOLDER, Format
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.log import abridged
from coverproxy.web.accept import choices

__all__ = ["data", "serve"]  # fixtures

TEN = isbn.to_isbn10(COVERED) or ""

CONNECTION = {"Server", "Date", "Connection", "Transfer-Encoding"}
"""What belongs to a server or a connection, not to the answer."""

ONLY_THE_APP_KNOWS = {
    "X-Cover-Size", "X-Cover-Original", "RateLimit", "RateLimit-Policy", "X-RateLimit-Limit",
    "X-RateLimit-Remaining", "X-RateLimit-Reset",
}  # fmt: skip
"""What a hit from nginx lacks: the file's name and times say nothing of them. All other answers have them."""

MOVING = {"RateLimit", "Retry-After"}
"""What tells seconds, and may tell one less in the second answer."""


@pytest.fixture(scope="module")
def front(stand: Stand, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """nginx before the server with default settings that many tests ask."""
    config, standing = stand()
    with standing_before(config, standing.listeners.url, tmp_path_factory.mktemp("nginx")) as url:
        yield url


@pytest.fixture
async def own_front(server: Running, tmp_path: Path) -> AsyncIterator[str]:
    """nginx before a server of the test's own."""
    async with before(server, tmp_path / "nginx") as url:
        yield url


async def ask(base: str, path: str, method: str = "GET", **headers: str) -> Got:
    """Ask as a browser would; a path is sent byte for byte."""
    url = URL(base + path, encoded=True)
    sent = BROWSER | {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as client,
        client.request(method, url, headers=sent, allow_redirects=False) as response,
    ):
        return Got(response.status, response.headers, await response.read())


def told(got: Got, without: set[str]) -> list[tuple[str, str]]:
    """An answer's headers, but for those that are let off: each as often as it came."""
    left_out = CONNECTION | MOVING | without
    return sorted((name, value) for name, value in got.headers.items() if name not in left_out)


async def same(server: Running, front: str, path: str, method: str = "GET", **headers: str) -> Got:
    """Ask both, compare status, body and every header; return what nginx answered."""
    ours = await ask(server.listeners.url, path, method, **headers)
    theirs = await ask(front, path, method, **headers)
    is_hit = theirs.headers.get("X-Cover-Status") == "hit" and "RateLimit" not in theirs.headers
    let_off = ONLY_THE_APP_KNOWS if is_hit else set()
    assert (theirs.status, theirs.body) == (ours.status, ours.body), path
    assert told(theirs, let_off) == told(ours, let_off), path
    assert MOVING & theirs.headers.keys() == MOVING & (ours.headers.keys() - let_off)
    return theirs


@pytest.mark.parametrize("query", ["", "?default=404", "?default=gif"])
@pytest.mark.parametrize("row", [*SOFT, *HARD])
async def test_every_row_without_a_picture(shared: Running, front: str, row: str, query: str) -> None:
    """Whatever keeps a client from its cover, nginx passes on the app's answer, header by header."""
    path = await (SOFT | HARD)[row][0](shared)
    for accept in ("image/*", "application/json"):
        got = await same(shared, front, path + query, Accept=accept)
        assert "nginx" not in got.body.decode("latin-1")


async def test_a_cover_is_made_and_then_a_hit_without_the_app(server: Running, own_front: str) -> None:
    """The first request goes through to the app, the second gets the file, and is not counted."""
    made = await ask(own_front, server.path())
    hit = await ask(own_front, server.path())

    assert (made.cover, hit.cover) == ("made", "hit")
    assert hit.body == made.body
    assert made.headers["X-RateLimit-Remaining"] == "999"
    assert "RateLimit" not in hit.headers
    let_off = ONLY_THE_APP_KNOWS | {"X-Cover-Status"}
    assert told(hit, let_off) == told(made, let_off)


async def test_every_spelling_and_format_of_a_hit(start: Start, tmp_path: Path) -> None:
    """Both spellings, each ending, each Accept and HEAD get the same from nginx as from the app."""
    server = await start(formats={"avif": True})
    async with before(server, tmp_path / "nginx") as front:
        for form in ("jpg", "webp", "avif"):
            await server.get(server.path(f"{COVERED}.{form}"))
        for accept in (
            "",
            "*/*",
            "image/webp,*/*",
            "image/avif,image/webp;q=0.5",
            "image/avif;q=0.1,image/*",
        ):
            for spelling in (COVERED, TEN, f"{TEN}.jpg", f"{COVERED}.jpeg", f"{TEN}.webp", f"{COVERED}.avif"):
                for method in ("GET", "HEAD"):
                    got = await same(server, front, server.path(spelling), method, Accept=accept)
                    assert got.cover == "hit"


OTHERS = [
    *((scheme.name, scheme.example) for scheme in schemes.ALL.values() if scheme.name != "isbn"),
    ("ean", "96385074"), ("oclc", "1"), ("oclc", "12"), ("oclc", "123"), ("oclc", "1234"), ("olid", "OL1M"),
    ("wikidata", "Q1"), ("viaf", "7"), ("local:koha", "4711"), ("local:de-599", "b1.2345678"),
    ("doi", "10.1000/j.cub.2026_01-002"),
]  # fmt: skip
"""An identifier of each other scheme, short and long."""


def picture_of(server: Running, scheme: str, value: str) -> Spec:
    """Lay a picture where an identifier's derivative belongs."""
    spec = Spec(Identifier(scheme, value), "medium", Format.JPEG)
    server.folder.cache.put(spec, Derivative(small_jpeg(), Format.JPEG, 1_217_808_000, (200, 300), None))
    return spec


@pytest.mark.parametrize(("scheme", "value"), [each for each in OTHERS if each != ("doi", "10.1000/182")])
async def test_hits_of_every_scheme_are_nginx_s_own(
    shared: Running, front: str, scheme: str, value: str
) -> None:
    """Canonical identifiers of all schemes are served from disk, with or without an ending, unasked."""
    picture_of(shared, scheme, value)
    for path in (value, f"{value}.jpg", value.replace("/", "%2F")):
        got = await ask(front, f"/devkey/{shared.key.name}/medium/{scheme}/{path}")
        assert (got.cover, got.body) == ("hit", small_jpeg())
        assert "RateLimit" not in got.headers


BAR_CODE = "9780140449136"
"""A book that no other test asks the shared server for."""


@pytest.mark.parametrize(
    ("path", "item"),
    [
        *(
            (f"{scheme}/9790260000438", ("ismn", "9790260000438"))
            for scheme in ("isbn", "ean", "upc", "asin")
        ),
        *((f"{scheme}/{BAR_CODE}", ("isbn", BAR_CODE)) for scheme in ("ean", "upc", "asin")),
        (f"asin/{isbn.to_isbn10(BAR_CODE)}", ("isbn", BAR_CODE)),
    ],
)
async def test_numbers_of_other_schemes_are_hits_where_they_belong(
    shared: Running, front: str, path: str, item: tuple[str, str]
) -> None:
    """A bar code or ASIN that is an ISBN, and an "ISBN" of printed music, lead to the same file, unasked."""
    scheme, value = item
    picture_of(shared, scheme, value)
    for ending in ("", ".jpg"):
        got = await ask(front, f"/devkey/{shared.key.name}/medium/{path}{ending}")
        assert (got.cover, got.body) == ("hit", small_jpeg())
        assert "RateLimit" not in got.headers
        assert "Content-Location" not in got.headers
    stranger = await ask(front, f"/devkey/nosuchkeynosuchkey/medium/{path}")
    assert stranger.cover == "key"


@pytest.mark.parametrize(
    ("scheme", "value"), [("oclc", "0123"), ("lccn", "N78890351"), ("issn", "0378-5955")]
)
async def test_other_spellings_are_the_app_s(
    server: Running, own_front: str, scheme: str, value: str
) -> None:
    """What is not canonical never reaches a file: only the app knows what it means."""
    got = await ask(own_front, f"/devkey/{server.key.name}/medium/{scheme}/{value}")

    assert got.cover != "hit"


@pytest.mark.parametrize(
    "headers",
    [
        {"If-None-Match": "{etag}"},
        {"If-None-Match": 'W/{etag}, "x"'},
        {"If-None-Match": '"x"'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "{date}"},
        {"If-Modified-Since": "Sun, 06 Nov 2033 08:49:37 GMT"},
        {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"If-Match": '"x"'},
        {"If-Match": "{etag}"},
        {"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"Range": "bytes=0-0"},
        {"Range": "bytes=-100"},
        {"Range": "bytes=5-"},
        {"Range": "bytes=0-1,5-9"},
        {"Range": "bytes=9999999-"},
        {"Range": "bytes=0-0", "If-Range": '"x"'},
        {"Range": "bytes=0-0", "If-Range": "{etag}"},
        {"Range": "bytes=0-0", "If-Range": "{date}"},
        {"Range": "lines=1-2"},
    ],
    ids=str,
)
async def test_preconditions_and_ranges(shared: Running, front: str, headers: dict[str, str]) -> None:
    """nginx answers them as the app does: 200, 206, 304, 412 and 416, header by header."""
    cover = await shared.get(shared.path())
    sent = {
        name.replace("-", "_"): value.format(etag=cover.headers["ETag"], date=cover.headers["Last-Modified"])
        for name, value in headers.items()
    }
    await same(shared, front, shared.path(), **sent)
    await same(shared, front, shared.path(), "HEAD", **sent)


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_the_apps(shared: Running, front: str, method: str) -> None:
    """Preflights and unfit methods are answered by the app, for covers that are there too."""
    await shared.get(shared.path())
    await same(shared, front, shared.path(), method)
    await same(shared, front, shared.path(UNCOVERED), method)


async def test_a_cover_that_is_not_there_leaves_no_line_in_the_error_log(
    server: Running, tmp_path: Path
) -> None:
    """Hits are opened at once, and what is made later is no error: the log would have the whole key."""
    async with before(server, tmp_path / "nginx") as front:
        for accept in ("image/*", "image/avif,image/webp,*/*;q=0.8"):
            assert (await ask(front, server.path(UNCOVERED), Accept=accept)).cover == "missing"
            assert (await ask(front, server.path(), Accept=accept)).status == 200
    for log in (tmp_path / "nginx").rglob("error.log"):
        assert server.key.name not in log.read_text()


async def test_a_query_or_an_odd_spelling_goes_to_the_app(shared: Running, front: str) -> None:
    """What nginx cannot read from the path alone gets the app's own answer, with the quota on it."""
    await shared.get(shared.path())
    hyphened = f"{COVERED[:3]}-{COVERED[3:]}"
    for path in (shared.path() + "?x=1", shared.path(hyphened), shared.path(f"ISBN%20{TEN}")):
        got = await same(shared, front, path)
        assert got.cover == "hit"
        assert "RateLimit" in got.headers


async def test_a_versioned_address_is_immutable(shared: Running, front: str) -> None:
    """nginx and the app have a file kept for a year where ?v= is its version, and no other v."""
    made = await shared.get(shared.path())
    version = made.headers["ETag"].strip('"').partition("-")[0]
    for query, is_kept in ((f"?v={version}", True), ("?v=1", False), (f"?v={version}0", False), ("", False)):
        for url in (front, shared.listeners.url):
            got = await ask(url, shared.path() + query)
            assert got.cover == "hit"
            assert ("immutable" in got.headers["Cache-Control"]) is is_kept, (url, query, got.headers)
    assert "RateLimit" not in (await ask(front, f"{shared.path()}?v={version}")).headers
    told = await shared.client.get(f"{shared.listeners.url}/devkey/{shared.key.name}/info/isbn/{COVERED}")
    address = (await told.json())["sizes"]["medium"]["formats"]["jpg"]["url"]
    assert address.endswith(f"?v={version}")


async def test_a_revoked_key_stops_while_it_is_served(start: Start, tmp_path: Path) -> None:
    """Where files stay open, hits end within front.open_file_seconds, not nginx's minute, and come back."""
    server = await start()
    async with before(server, tmp_path / "nginx", open_files=200, open_file_seconds=1) as front:
        await server.get(server.path())
        assert (await ask(front, server.path())).cover == "hit"

        await server.service.accounts.save(replace(server.key, revoked_at=1))
        await until_status(403, front, server.path())
        await server.service.accounts.save(replace(server.key, revoked_at=None))
        await until_status(200, front, server.path())


async def test_a_revoked_key_stops_at_once(shared: Running, front: str) -> None:
    """By default no file stays open: the first request after a key is revoked gets no cover."""
    await shared.get(shared.path())
    assert (await ask(front, shared.path())).cover == "hit"

    await shared.enter(replace(shared.key, revoked_at=1))
    assert (await ask(front, shared.path())).status == 403
    await shared.enter(replace(shared.key, revoked_at=None))
    assert (await ask(front, shared.path())).cover == "hit"


async def test_a_key_of_named_sizes_gets_no_rung_from_nginx(shared: Running, front: str) -> None:
    """A rung that lies there is the app's to answer for it, as its other rungs; named sizes stay hits."""
    named = await shared.new_key(named_sizes_only=True)
    for size in ("w320", "medium", "large"):
        await shared.get(shared.path(size=size))
        assert "RateLimit" not in (await ask(front, shared.path(size=size))).headers
    for _ in range(3):  # from the second on, the app has it in memory
        got = await same(shared, front, shared.path(size="w320", key=named.name))
        assert got.headers["X-Cover-Size"].startswith("500x")
    assert "RateLimit" in (await ask(front, shared.path(size="w320", key=named.name))).headers
    got = await ask(front, shared.path(size="medium", key=named.name))
    assert (got.cover, "RateLimit" in got.headers) == ("hit", False)
    got = await ask(front, shared.path(size="w200", key=named.name))
    assert (got.cover, "RateLimit" in got.headers) == ("hit", False)


async def test_the_path_behind_an_address_is_none_itself(shared: Running, front: str) -> None:
    """What an address becomes within nginx serves nothing from outside: the app finds no such page."""
    await shared.get(shared.path())
    for accept in ("*/*", "image/avif,image/webp,*/*"):
        for ending in ("jpg", "avif"):
            below = f"medium/{ending}/isbn/{COVERED[8:10]}/{COVERED[10:12]}/{COVERED}.{ending}"
            for place in ("isbn-hit", "openlibrary-medium-hit", "by-key"):
                got = await ask(front, f"/{place}/{shared.key.name}/{below}", Accept=accept)
                assert got.status == 404, (place, ending, accept)


async def until_status(status: int, front: str, path: str) -> None:
    """Ask again and again until the status comes, as a catalogue does."""
    async with asyncio.timeout(30):
        while (await ask(front, path)).status != status:
            await asyncio.sleep(0.02)


async def test_a_bound_key_is_asked_for_every_time(shared: Running, front: str) -> None:
    """A key of some sites never gets files without the app: its Referer is looked at for hits too."""
    bound = await shared.new_key(sites=("opac.example.org",))
    path = shared.path(key=bound.name)
    await ask(front, path, Referer="https://opac.example.org/")

    inside = await same(shared, front, path, Referer="https://opac.example.org/x")
    outside = await same(shared, front, path, Referer="https://evil.example/")
    assert (inside.status, outside.status) == (200, 403)


TRICKS = [
    "/by-key/{key}/medium/{a}/{b}/{isbn}.jpg",
    "/live/medium/{a}/{b}/{isbn}.jpg",
    "/img/",
    "/held",
    "/locks/",
    "/placeholder.gif",
    "/ask/{key}",
    "/devkey/{key}/medium/isbn/../../../../held",
    "/devkey/{key}/medium/isbn/%2e%2e/%2e%2e/%2e%2e/%2e%2e/held",
    "/devkey/{key}/..%2f..%2fheld/isbn/{isbn}",
    "/devkey/..%2fimg/medium/isbn/{isbn}",
    "/devkey/{key}/medium/isbn/{isbn}.jpg%00.gif",
    "/devkey/{key}/medium/isbn/{isbn}%0a",
    "/devkey/{key}/medium/isbn/" + "9" * 4000,
    "/devkey/" + "k" * 3000 + "/medium/isbn/{isbn}",
    "/devkey/{key}/medium/isbn/%ff%fe%80",
    "/devkey/{key}/tmp/isbn/{isbn}",
    "/_cover/",
    "/_cover/../held",
]


async def test_tricks_reach_derivatives_only(shared: Running, front: str) -> None:
    """Dots, encoded slashes, long names, other bytes: never a file that is no derivative of that very URL."""
    shard = {"a": COVERED[8:10], "b": COVERED[10:12]}
    await shared.get(shared.path())
    for trick in TRICKS:
        path = trick.format(key=shared.key.name, isbn=COVERED, **shard)
        got = await ask(front, path)
        if got.status == 414:  # nginx's own words: it is longer than any address that we have
            assert len(path) > 1000
            continue
        assert got.status in (200, 400, 403, 404), path
        if got.status != 400:  # nginx's own, for what is no URL at all
            assert got.body == PLACEHOLDER, path
        assert got.cover != "hit"


async def test_an_encoded_slash_is_a_slash(shared: Running, front: str) -> None:
    """nginx reads %2F in a path as the slash it stands for: that URL's own derivative, if the key is good."""
    cover = await shared.get(shared.path())
    for name, body in ((shared.key.name, cover.body), ("nosuchkeynosuchkey", PLACEHOLDER)):
        got = await ask(front, f"/devkey/{name}%2fmedium/isbn/{COVERED}")
        assert got.body == body


OTHER_SHAPES = (
    f"/images/P/{UNCOVERED}.01._SCMZZZZZZZ_.jpg", f"/b/isbn/{UNCOVERED}-M.jpg", f"/{UNCOVERED}.jpg",
    f"/index.aspx?isbn={UNCOVERED}/MC.GIF", f"/?isbn={UNCOVERED}&size=M", "/covers/?id=1&format=img",
    f"/ContentCafe/Jacket.aspx?Value={UNCOVERED}", f"/medium/upc/{UNCOVERED}",
)  # fmt: skip
"""Other services' addresses of pictures."""


async def test_hits_go_on_when_the_app_is_killed(serve: Serve, data: Path, tmp_path: Path) -> None:
    """After kill -9 covers that are there are served; others are "unavailable", 200 or 503 as asked."""
    served, name = serve(), key(data)
    path = f"/devkey/{name}/medium/isbn/{COVERED}"
    cold = f"/devkey/{name}/large/isbn/{COVERED}"
    async with fronted(data, served.url, tmp_path / "nginx") as front:
        assert (await ask(front, path)).cover in ("made", "hit")
        for process in (served.process.pid, *workers(served)):
            os.kill(process, signal.SIGKILL)
        served.process.wait()

        assert (await ask(front, path)).cover == "hit"
        lost = await ask(front, cold)
        strict = await ask(front, cold + "?default=404")
        posted = await ask(front, cold, "POST")
        shapes = [await ask(front, f"/devkey/{name}{path}") for path in OTHER_SHAPES]
        amazon = await ask(front, f"/devkey/{name}/images/P/{UNCOVERED}.jpg?default=404")
        page = await ask(front, "/", Accept="text/html,image/webp,*/*;q=0.8")

    assert (lost.status, lost.cover, lost.body) == (200, "unavailable", PLACEHOLDER)
    assert (lost.headers["Cache-Control"], lost.headers["Retry-After"]) == ("no-store", "5")
    assert lost.headers["Content-Type"] == "image/gif"
    assert "ETag" not in lost.headers
    assert "Last-Modified" not in lost.headers
    assert (strict.status, strict.cover) == (503, "unavailable")
    assert posted.status == 503
    assert (page.status, page.headers["Content-Type"]) == (503, "text/plain")
    for got in (*shapes, amazon):
        assert (got.status, got.cover, got.body) == (200, "unavailable", PLACEHOLDER)


async def test_programs_are_held_back_and_pages_are_not(server: Running, tmp_path: Path) -> None:
    """Past the burst a program that shows no page is "throttled"; browsers and hits never are."""
    await server.get(server.path())
    async with before(server, tmp_path / "nginx", requests_per_second=1, burst=3) as front:
        program = [await ask(front, server.path(UNCOVERED), Sec_Fetch_Dest="empty") for _ in range(6)]
        strict = await ask(front, server.path(UNCOVERED) + "?default=404", Sec_Fetch_Dest="empty")
        hits = [await ask(front, server.path(), Sec_Fetch_Dest="empty") for _ in range(6)]
        page = [await ask(front, server.path(UNCOVERED)) for _ in range(6)]
        linked = await ask(front, server.path(UNCOVERED), Sec_Fetch_Dest="", Referer="https://opac.test/")
        amazon = await ask(
            front, f"/devkey/{server.key.name}/images/P/{UNCOVERED}.jpg?default=404", Sec_Fetch_Dest="empty"
        )

    assert [got.cover for got in program] == ["missing"] * 4 + ["throttled"] * 2
    assert (program[-1].status, program[-1].body) == (200, PLACEHOLDER)
    assert program[-1].headers["Cache-Control"] == "no-store"
    assert int(program[-1].headers["Retry-After"]) >= 1
    assert (strict.status, strict.cover) == (429, "throttled")
    assert (amazon.status, amazon.cover, amazon.body) == (200, "throttled", PLACEHOLDER)
    assert {got.cover for got in hits} == {"hit"}
    assert {got.cover for got in [*page, linked]} == {"missing"}


async def test_x_accel_sends_the_file_with_the_apps_headers(start: Start, tmp_path: Path) -> None:
    """With front.x_accel the app names the file, nginx sends it, and every header of the app is there.

    An address with a query that nginx does not know is the app's to answer, also where the file is there.
    """
    server = await start(front={"x_accel": True})
    plain = await start()
    async with before(server, tmp_path / "nginx") as front:
        made = await ask(front, server.path())
        odd = await ask(front, server.path() + "?x=1")
        part = await ask(front, server.path() + "?x=1", Range="bytes=0-9")
        head = await ask(front, server.path() + "?x=1", "HEAD")
    direct = await ask(server.listeners.url, server.path())
    await plain.get(plain.path())
    reference = await ask(plain.listeners.url, plain.path() + "?x=1")

    assert (made.cover, odd.cover) == ("made", "hit")
    assert made.body == odd.body == reference.body
    assert dict(told(odd, set())) == dict(told(reference, set()))  # nginx says Accept-Ranges twice here
    assert told(head, set()) == told(odd, set())
    assert (part.status, part.body) == (206, odd.body[:10])
    assert direct.headers["X-Accel-Redirect"].startswith("/_cover/")


async def test_x_accel_is_no_clients_to_ask_for(shared: Running, front: str) -> None:
    """No header of a client's makes the app name a file, and nobody gets at the internal address."""
    await shared.get(shared.path())
    wishes = {"X-Accel-Redirect": "/_cover/", "X-Accel-Mapping": "/=/", "X-Sendfile-Type": "X-Accel-Redirect"}
    wishes = {name.replace("-", "_"): value for name, value in wishes.items()}
    ours = await ask(shared.listeners.url, shared.path(), **wishes)
    theirs = await ask(front, shared.path() + "?default=404", **wishes)

    assert "X-Accel-Redirect" not in ours.headers
    assert len(ours.body) == len(theirs.body) > 2000
    assert (await ask(front, "/_cover/held")).cover == "path"


@pytest.mark.parametrize("kind", ["network", "whole"])
async def test_the_access_log_holds_no_address(server: Running, tmp_path: Path, kind: str) -> None:
    """Of a reader's address it has the network, as our own log does; the whole one where that is wished."""
    readers = ["203.0.113.77", "2001:db8:1:2::3", "2001:db8::1", "2001:db8:0:5:6:7:8:9", "2001::1", "::1"]
    readers += ["2001:0:0:1::5", "fe80::1:2:3:4"]
    wished = {"trusted": ["0.0.0.0/0"], "access_log_addresses": kind}
    async with before(server, tmp_path / "nginx", **wished) as front:
        for reader in readers:
            await ask(front, "/style.css", X_Forwarded_For=reader)
    lines = (tmp_path / "nginx" / "access.log").read_text().splitlines()

    expected = readers if kind == "whole" else [abridged(reader) for reader in readers]
    assert sorted(orjson.loads(line)["from"] for line in lines) == sorted(
        expected
    )  # each worker has a buffer


@pytest.mark.parametrize("prefix", ["", "cp_"])
async def test_the_access_log_holds_no_key(server: Running, tmp_path: Path, prefix: str) -> None:
    """A line tells path and outcome, of hits and of covers made; of the key four characters and its prefix.

    So for keys of earlier versions, which have no prefix, and wherever a shape's path has the key. A hit is
    told by its plain path, however it was spelled.
    """
    name = prefix + server.key.name.removeprefix("cp_")
    await server.service.accounts.save(replace(server.key, name=name))
    shown = f"{name[: len(prefix) + 4]}…"
    paths = [
        (server.path(key=name), f"/devkey/{shown}/medium/isbn/{COVERED}"),
        (server.path(key=name), f"/devkey/{shown}/medium/isbn/{COVERED}"),
        (server.path(key=name) + "?title=x", f"/devkey/{shown}/medium/isbn/{COVERED}"),
        (f"/devkey/{name}/usage", f"/devkey/{shown}/usage"),
        (f"//devkey//{name}/usage?x", f"//devkey//{shown}/usage"),
        (f"/%64evkey/{name}/medium/isbn/{COVERED}", f"/devkey/{shown}/medium/isbn/{COVERED}"),
        (f"/%64evkey/{name}/medium/isbn/{UNCOVERED}", "…"),
        (f"/x/../devkey/{name}/usage", "…"),
        (f"/by-key/{name}/medium", "…"),
        (f"/devkey/./{name}/medium/isbn/{COVERED}", f"/devkey/{shown}/medium/isbn/{COVERED}"),
        (f"/devkey/./{name}/medium/isbn/{UNCOVERED}", "…"),
        (f"/DEVKEY/{name}/medium/isbn/{COVERED}", f"/DEVKEY/{shown}/medium/isbn/{COVERED}"),
        (f"/x/DevKey/{name}/medium", "…"),
        (f"/devkey/x/%2e%2e/{name}/usage", "…"),
        (f"/devkey/x/%2E%2E%2F{name}/usage", "…"),
        (f"/2.0.0/image/isbn/{name}/{COVERED}/small", f"/2.0.0/image/isbn/{shown}/{COVERED}/small"),
        (f"/devkey/{name}/2.0.0/image/isbn/{name}/{COVERED}/small", f"/devkey/{shown}"),
        (f"/x/cp_{name}/medium", "…"),
        (f"/devkey/cp_sec_{'abcd' * 6}/medium/isbn/{COVERED}", f"/devkey/cp_sec_…/medium/isbn/{COVERED}"),
        ("/style.css?x=1", "/style.css"),
    ]
    async with before(server, tmp_path / "nginx") as front:
        for path, _ in paths:
            await ask(front, path)
        odd = b"/devkey/" + name.encode() + b"/\xf0\x9f\x92"
        await _raw(front, b"GET " + odd + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        paths.append((odd.decode(errors="replace"), "…"))
    text = (tmp_path / "nginx" / "access.log").read_text()

    lines = [orjson.loads(line) for line in text.splitlines()]
    assert sorted(line["path"] for line in lines) == sorted(shown for _, shown in paths)
    assert {"made", "hit", "path", ""} <= {line["cover"] for line in lines}
    assert name not in text
    assert "title" not in text


async def _raw(front: str, request: bytes) -> bytes:
    """Send bytes as they are; return all that comes until nginx closes."""
    host, _, port = front.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


EXCESS = {
    "slashes": ("/" * 8000, 414),
    "a long path": ("/" + "a" * 3000, 414),
    "a long query": ("/?isbn=" + "9" * 5000, 414),
    "beyond every buffer": ("/devkey/k/info?isbn=" + "9" * 70_000, 414),
    "a thousand ISBNs": ("/devkey/{key}/info?isbn=" + "%2C".join([COVERED] * 1000), 200),
    "Amazon's": ("/images/P/" + "9" * 3000, 200),
    "a cover behind doubled slashes": ("//devkey//{key}//small//isbn//" + COVERED, 200),
}


@pytest.mark.parametrize(("target", "status"), EXCESS.values(), ids=EXCESS.keys())
async def test_addresses_beyond_ours_end_at_nginx(
    shared: Running, front: str, target: str, status: int
) -> None:
    """nginx refuses what the app would, and passes on the long addresses that are wanted."""
    path = target.format(key=shared.key.name)
    answer = await _raw(
        front,
        f"GET {path} HTTP/1.1\r\nHost: x\r\nSec-Fetch-Dest: image\r\nConnection: close\r\n\r\n".encode(),
    )

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


async def test_a_forged_referer_passes_no_limit(server: Running, tmp_path: Path) -> None:
    """Requests that say that a page is shown are limited too, at a rate of their own; hits never are."""
    limited = {"browser_requests_per_second": 1, "browser_burst": 5}
    await server.get(server.path())
    async with before(server, tmp_path / "nginx", **limited) as front:
        sent = {"Referer": "http://x/"}
        asked = [(await ask(front, server.path(UNCOVERED), **sent)).cover for _ in range(12)]
        hits = [(await ask(front, server.path(), **sent)).cover for _ in range(12)]

    assert asked[:6] == ["missing"] * 6
    assert asked[-1] == "throttled"
    assert hits == ["hit"] * 12


async def test_the_app_is_told_the_client_by_its_front_only(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """X-Forwarded-For counts from the front, which writes it anew; from anybody else it counts nothing."""
    server = await start(log={"access": True}, front={"trusted": ["127.0.0.1"]})
    stranger = await start(log={"access": True}, front={"trusted": ["10.0.0.1"]})
    caplog.set_level(logging.INFO, "coverproxy.access")
    forged = {"X_Forwarded_For": "203.0.113.7"}
    async with before(server, tmp_path / "nginx") as front:
        await ask(front, server.path(UNCOVERED), **forged)
    await ask(server.listeners.url, server.path(UNCOVERED), **forged)
    await ask(stranger.listeners.url, stranger.path(UNCOVERED), **forged)

    seen = [record.__dict__["from"] for record in caplog.records]
    assert seen == [abridged("127.0.0.1"), abridged("203.0.113.7"), abridged("127.0.0.1")]


async def test_nginx_chooses_the_format_that_the_app_would(start: Start, tmp_path: Path) -> None:
    """Over some hundred Accept headers the map and the app agree, or the map leaves it to the app."""
    server = await start(formats={"avif": True})
    for form in Format:
        await server.get(server.path(f"{COVERED}.{form.value}"))
    names = ["image/webp", "image/avif", "image/jpeg", "image/*", "*/*", "IMAGE/WEBP", "text/html"]
    parameters = ["", ";q=0", ";q=0.5", " ; q=1", ";level=1"]
    headers = {f"{a}{p},{b}{q}" for a in names[:4] for b in names for p in parameters for q in parameters[:3]}
    headers |= {
        "",
        ",",
        "image/webp ,x",
        "ximage/webp",
        "image/webpx",
        "image/webp\t,a",
        "image/*,image/avif",
    }
    formats = server.config.formats
    offered = server.config.sizes["medium"].offered(formats)
    async with before(server, tmp_path / "nginx") as front, aiohttp.ClientSession() as client:
        for accept in sorted(headers):
            async with client.head(front + server.path(), headers={"Accept": accept} | BROWSER) as got:
                best = choices(accept, formats.enabled, offered)[0]
                assert got.content_type == best.media_type, accept


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, Any]:
    """A certificate and its key, as [front] names them."""
    made = self_signed(tmp_path)
    return {"certificate": str(made.file), "certificate_key": str(made.key)}


@pytest.mark.parametrize("tls", ["off", "http1", "http2"])
def test_nginx_takes_the_configuration(
    data: Path, tmp_path: Path, certificate: dict[str, Any], tls: str
) -> None:
    """nginx -t passes on every variant, with several apps, fronts before the front, and no log."""
    conf = printed(
        data, tls=tls, x_accel=True, public_url="https://covers.example.org", access_log="",
        trusted=["10.0.0.0/8", "::1"], **certificate,
        apps=["10.0.0.1:8080", "[fd00::1]:8080", "unix:/run/coverproxy/app.sock"],
        listen=["127.0.0.1:8088"], listen_tls=["127.0.0.1:8443"],
    )  # fmt: skip
    found = subprocess.run(
        [*laid(tmp_path / "nginx", conf), "-t"], capture_output=True, text=True, check=False
    )

    assert found.returncode == 0, found.stderr
    assert "warn" not in found.stderr


async def test_covers_over_https_and_http_alike(
    server: Running, tmp_path: Path, certificate: dict[str, Any]
) -> None:
    """With TLS both schemes serve covers, as image URLs never redirect; pages lead to https."""
    secure = f"127.0.0.1:{free_port()}"
    async with before(server, tmp_path / "nginx", tls="http2", listen_tls=[secure], **certificate) as front:
        plain = await ask(front, server.path())
        page = await ask(front, "/")
        usage = f"/devkey/{server.key.name}/usage"
        shown = await ask(front, usage, Accept="text/html,*/*;q=0.8")
        told = await ask(front, usage, Accept="application/json")
        url = f"https://{secure}{server.path()}"
        async with aiohttp.ClientSession() as client, client.get(url, ssl=False) as got:
            assert (got.status, got.headers["X-Cover-Status"]) == (200, "hit")
        assert await asyncio.to_thread(_protocol, secure) == "h2"

    assert (plain.status, plain.cover) == (200, "made")
    assert (page.status, page.headers["Location"]) == (308, f"https://{secure}/")
    assert (shown.status, shown.headers["Location"]) == (308, f"https://{secure}{usage}")
    assert told.status == 200


def _protocol(address: str) -> str | None:
    """The protocol that a TLS server picks of HTTP/2 and HTTP/1.1 (ALPN, RFC 7301)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    host, _, port = address.partition(":")
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        context.wrap_socket(plain) as secure,
    ):
        return secure.selected_alpn_protocol()


async def test_answers_to_a_certificates_challenge_are_served(server: Running, tmp_path: Path) -> None:
    """What an ACME client lays into front.acme_root is served, and nothing beside it."""
    challenges = tmp_path / "acme" / ".well-known" / "acme-challenge"
    challenges.mkdir(parents=True)
    (challenges / "token").write_text("token.thumbprint")
    (tmp_path / "acme" / "secret").write_text("no")
    async with before(server, tmp_path / "nginx", acme_root=str(tmp_path / "acme")) as front:
        token = await ask(front, "/.well-known/acme-challenge/token")
        other = await ask(front, "/.well-known/acme-challenge/../../secret")

    assert (token.status, token.body) == (200, b"token.thumbprint")
    assert other.body != b"no"


@asynccontextmanager
async def named_app(name: str) -> AsyncIterator[str]:
    """An app of one word; yield its address."""

    async def say(request: web.Request) -> web.Response:
        return web.Response(text=name)

    app = web.Application()
    app.router.add_get("/{path:.*}", say)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield "{}:{}".format(*runner.addresses[0])
    await end(runner)


KEYLIKE = "cp_nosuchkeynosuchkey"
"""What nginx takes for a key, and looks for hits of."""


async def test_a_book_goes_to_the_same_app_by_either_spelling(data: Path, tmp_path: Path) -> None:
    """Of several apps each gets its part of the books; size, ending, key and spelling do not matter."""
    thirteens = (f"97814{number:07d}{check}" for number in range(40) for check in range(10))
    books = [each for each in thirteens if stdnum_isbn.is_valid(each)]
    async with (
        named_app("a") as a,
        named_app("b") as b,
        fronted(data, a, tmp_path / "nginx", apps=[a, b]) as front,
    ):
        asked = []
        for book in books:
            ten = isbn.to_isbn10(book)
            ways = [f"k1/medium/isbn/{book}", f"k2/large/isbn/{ten}", f"k1/small/isbn/{ten}.webp?x=1"]
            ways += [f"{KEYLIKE}/medium/isbn/{book}", f"{KEYLIKE}/small/isbn/{ten}.jpg?default=404"]
            ways += [f"{KEYLIKE}/b/isbn/{ten}-M.jpg", f"{KEYLIKE}/images/P/{ten}.01.LZZZZZZZ.jpg"]
            asked.append({(await ask(front, f"/devkey/{way}")).body for way in ways})
        for value in range(10_000_000, 10_000_020):
            ways = [
                f"k1/medium/oclc/{value}",
                f"{KEYLIKE}/medium/oclc/{value}",
                f"{KEYLIKE}/large/oclc/{value}.jpg",
            ]
            asked.append({(await ask(front, f"/devkey/{way}")).body for way in ways})

    assert all(len(apps) == 1 for apps in asked)
    assert {app for apps in asked for app in apps} == {b"a", b"b"}
