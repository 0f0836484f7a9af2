"""nginx serves hits of other services' addresses itself, as the app would."""

from pathlib import Path

import aiohttp
import pytest
import yarl
from conftest import BROWSER, COVERED, UNCOVERED, Running
from fronting import before

from coverproxy.domain import isbn
from coverproxy.domain.formats import PLACEHOLDER

TEN = isbn.to_isbn10(COVERED)
ADDRESSES = (
    (f"/b/isbn/{COVERED}-S.jpg", "small"), (f"/b/isbn/{TEN}-M.jpg?default=false", "medium"),
    (f"/b/id/{COVERED}-L.jpg", "large"), (f"/images/P/{TEN}.01._SCMZZZZZZZ_.jpg", "medium"),
    (f"/images/P/{TEN}.01.THUMBZZZ.jpg", "small"), (f"/images/P/{TEN}.01.LZZZZZZZ.gif", "large"),
    (f"/images/P/{TEN}.01._SCLZZZZZZZ_.jpg", "large"), (f"/images/P/{COVERED}.jpg", "medium"),
    (f"/images/P/{TEN}._SCTZZZZZZZ_.jpg", "small"), (f"/images/P/{TEN}.TZZZZZZZ.jpg", "small"),
    (f"/images/P/{TEN}.01._SCRMZZZZZZ_.jpg", "large"), (f"/images/P/{TEN}.MZ.gif", "medium"),
    (f"/b/ISBN/{COVERED}-s.jpg", "small"), (f"/b/id/{COVERED}-m.jpg", "medium"),
    (f"/{COVERED}.jpg", "large"), (f"/medium/isbn/{COVERED}?default=404", "medium"),
)  # fmt: skip


async def test_hits_of_shapes_do_not_wake_the_app(server: Running, tmp_path: Path) -> None:
    """The bytes and tag of our own address as image/jpeg, whatever the ending, and no word of the app."""
    made = {size: await server.get(server.path(size=size)) for size in ("small", "medium", "large")}
    async with before(server, tmp_path / "nginx") as front, aiohttp.ClientSession(headers=BROWSER) as client:
        for address, size in ADDRESSES:
            async with client.get(f"{front}/devkey/{server.key.name}{address}") as got:
                assert (got.status, await got.read()) == (200, made[size].body), address
                assert got.headers["ETag"] == made[size].headers["ETag"]
                assert got.headers["Content-Type"] == "image/jpeg"
                assert "RateLimit" not in got.headers, address
            async with client.get(f"{front}/devkey/nosuchkeynosuchkey{address}") as got:
                assert not (await got.read()).startswith(b"\xff\xd8"), address


async def test_what_is_not_there_is_said_by_the_app(server: Running, tmp_path: Path) -> None:
    """No cover, and covers to be made, are answered by the shape's own rules behind nginx too."""
    async with before(server, tmp_path / "nginx") as front, aiohttp.ClientSession(headers=BROWSER) as client:
        base = f"{front}/devkey/{server.key.name}"
        for address, status in (
            (f"/b/isbn/{UNCOVERED}-M.jpg?default=false", 404), (f"/b/id/{UNCOVERED}-M.jpg", 404),
            (f"/{UNCOVERED}.jpg", 404), (f"/images/P/{UNCOVERED}.01.MZZZZZZZ.jpg?default=404", 200),
        ):  # fmt: skip
            async with client.get(base + address) as got:
                assert got.status == status, address
                assert status == 404 or await got.read() == PLACEHOLDER
        async with client.get(f"{base}/b/isbn/{COVERED}-M.jpg") as got:
            assert got.headers["X-Cover-Status"] == "made"


JSON, XML, WORDS, PIXEL = "application/json", "text/xml", "text/plain", "image/gif"
UNREAD = (
    ("/images/P/%00.01._SCMZZZZZZZ_.jpg", 200, PIXEL), ("/images/P/%zz.jpg?default=404", 200, PIXEL),
    ("/medium/isbn/%00", 200, PIXEL), ("/medium/isbn/%00?default=404", 400, WORDS),
    ("/b/isbn/%00-M.jpg", 200, PIXEL), ("/b/isbn/%00-M.jpg?default=false", 400, WORDS),
    ("/b/isbn/%00.json", 400, JSON), ("/api/volumes/brief/json/%00", 400, JSON),
    ("/x%00/index.aspx?isbn=1/index.xml", 400, XML),
    ("/bookcover/%00", 400, JSON), ("/iiif/3/%00/info.json", 400, WORDS), ("/%00", 400, WORDS),
)  # fmt: skip


async def test_what_nginx_cannot_read_is_answered_in_the_shapes_form(server: Running, tmp_path: Path) -> None:
    """A path with %00 never reaches the app: Amazon's is 200 with the pixel, a cover's too unless a status
    is asked for, and JSON is JSON. The answers have no address of their own."""
    async with before(server, tmp_path / "nginx") as front, aiohttp.ClientSession(headers=BROWSER) as client:
        for address, status, kind in UNREAD:
            url = yarl.URL(f"{front}/devkey/{server.key.name}{address}", encoded=True)
            async with client.get(url) as got:
                assert (got.status, got.content_type) == (status, kind), address
                assert got.headers["X-Cover-Status"] == "invalid", address
                assert got.headers["Access-Control-Allow-Origin"] == "*", address
                assert kind != PIXEL or await got.read() == PLACEHOLDER, address
        for name in ("unread/picture", "unread/json", "long/page", "long/amazon", "long/picture"):
            async with client.get(f"{front}/coverproxy/{name}") as got:
                assert got.status == 404


TOO_LONG = (
    ("/images/P/{}.jpg", 200, PIXEL), ("/images/P/x.jpg?{}", 200, PIXEL), ("/medium/isbn/{}", 414, PIXEL),
    ("/b/isbn/{}-M.jpg", 414, PIXEL), ("/index.aspx?isbn={}/MC.GIF", 414, PIXEL), ("/cover?id={}", 414, JSON),
    ("/api/books?bibkeys={}&callback=x", 414, JSON), ("/iiif/3/{}/info.json", 414, WORDS),
    ("/medium/isbn/{}?default=404", 414, WORDS), ("/getImage.php?return_error=true&query={}", 414, WORDS),
    ("/index.aspx?isbn={}/index.xml", 414, XML),
    ("/ContentCafe/ContentCafe.asmx/XmlPost?x={}", 414, XML), ("/?isbn={}&size=M", 414, PIXEL),
    ("/covers/?format=img&id={}", 414, PIXEL), ("/covers/?format=seealso&id={}", 414, JSON),
)  # fmt: skip


CUT = {"/medium/isbn/{}?default=404": PIXEL, "/index.aspx?isbn={}/MC.GIF": XML}
"""What is answered where nginx has not read as far as what tells which it is."""


@pytest.mark.parametrize("length", [5_000, 40_000, 80_000])
async def test_an_address_that_is_too_long_is_answered_in_the_shapes_form(
    server: Running, tmp_path: Path, length: int
) -> None:
    """Longer than the app takes, or than nginx itself reads: never HTML, and readable by other sites."""
    async with before(server, tmp_path / "nginx") as front, aiohttp.ClientSession(headers=BROWSER) as client:
        for address, status, kind in TOO_LONG:
            if length < 16_384 and address.startswith(("/cover", "/api/books", "/?isbn")):
                continue  # lists may be that long
            path = f"/devkey/{server.key.name}{address.format('1' * length)}"
            async with client.get(yarl.URL(front + path, encoded=True)) as got:
                kind = CUT.get(address, kind) if length > 65_536 else kind
                assert (got.status, got.content_type) == (status, kind), address
                assert got.headers["Access-Control-Allow-Origin"] == "*", address
                assert got.headers["Cache-Control"] == "no-store", address
                assert kind != PIXEL or await got.read() == PLACEHOLDER, address
