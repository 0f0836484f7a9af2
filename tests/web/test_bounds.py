"""What is too much in a request is refused before it costs anything."""

import asyncio
import gzip
import time
from functools import cache
from urllib.parse import quote

import orjson
import pytest
from conftest import COVERED, Got, Running, Start
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.domain.address_bounds import MAX_PATH_BYTES, MAX_SEGMENTS
from coverproxy.domain.formats import PLACEHOLDER
from coverproxy.web import bodies
from coverproxy.web.bounds import excess

URLENCODED = "application/x-www-form-urlencoded"


async def raw(server: Running, request: bytes) -> bytes:
    """Send bytes as they are; return all that comes until the server closes."""
    reader, writer = await asyncio.open_connection(*server.listeners.covers.getsockname())
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


async def post(server: Running, path: str, body: bytes, **headers: str) -> Got:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with server.client.post(server.listeners.url + path, data=body, headers=sent) as response:
        return Got(response.status, response.headers, await response.read())


LONG = {
    "slashes": "/" * 32_000,
    "segments": "/a" * 16_000,
    "doubled slashes before a cover": "//" * 11 + "devkey/k/medium/isbn/1",
    "one long segment": "/" + "a" * 3000,
    "a long ISBN": "/devkey/abcdefgh/medium/isbn/" + "1" * 2100,
    "percent signs": "/" + "%2f" * 900,
    "a long query": "/?isbn=" + "9" * 5000,
    "a query of many fields": "/status?" + "a&" * 60,
    "a cover with a long query": f"/devkey/abcdefgh/medium/isbn/{COVERED}?default=" + "4" * 5000,
    "more fields than ISBNs are answered": "/devkey/abcdefgh/info?" + "isbn=1&" * 1200,
}


@pytest.mark.parametrize("target", LONG.values(), ids=LONG.keys())
async def test_a_long_address_is_refused_at_once(shared: Running, target: str) -> None:
    """A path or query beyond all of ours is 414, with the placeholder as its body, and reaches no router."""
    answer = await raw(shared, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 414 ")
    assert b"X-Cover-Status: long" in answer
    assert b"GIF89a" in answer


@pytest.mark.parametrize(
    "target", ["/images/P/" + "9" * 3000, "/images/P/" + "/" * 30, "/images/P/1.jpg?" + "a&" * 60]
)
async def test_amazons_addresses_never_fail(shared: Running, target: str) -> None:
    """Below /images/P/ even what is too long is 200 with the placeholder: Evergreen counts all else."""
    got = await shared.get(target)

    assert (got.status, got.cover, got.body[:3]) == (200, "long", b"GIF")


OWN = {
    "/devkey/{key}/api/volumes/brief/json/isbn:": "application/json",
    "/devkey/{key}/bookcover?isbn=": "application/json",
    "/devkey/{key}/bookcover/": "application/json",
    "/devkey/{key}/iiif/3/": "text/plain; charset=utf-8",
    "/devkey/{key}/cover?" + "id=1&" * 1200: "application/json",
    "/devkey/{key}/v1/get?" + "isbn=1&" * 1200: "application/json",
    "/devkey/{key}/covers/?format=seealso&" + "id=1&" * 1200: "application/json",
    "/devkey/{key}/index.aspx?isbn=1/index.xml&oclc=": "text/xml; charset=utf-8",
    "/devkey/{key}/ContentCafe/ContentCafe.asmx/XmlPost?": "text/xml; charset=utf-8",
}


@pytest.mark.parametrize(("beginning", "kind"), OWN.items(), ids=range(len(OWN)))
async def test_a_long_address_of_another_service_is_refused_in_its_form(
    shared: Running, beginning: str, kind: str
) -> None:
    """JSON where its clients read JSON, XML where they read that, words for viewers: never the pixel, which
    they cannot read."""
    got = await shared.get(beginning.format(key=shared.key.name) + "9" * 20_000)

    assert (got.status, got.cover, got.headers["Content-Type"]) == (414, "long", kind)
    assert b"expected at most" in got.body


ENDLESS = {
    "/images/P/": (200, "image/gif"), "/devkey/{key}/images/P/x.jpg?": (200, "image/gif"),
    "/devkey/{key}/medium/isbn/": (414, "image/gif"),
    "/devkey/{key}/api/books?bibkeys=": (414, "application/json"),
    "/devkey/{key}/index.aspx?isbn=1/index.xml&oclc=": (414, "text/xml; charset=utf-8"),
    "/devkey/{key}/iiif/3/": (414, "text/plain; charset=utf-8"),
}  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("beginning", "told"), ENDLESS.items(), ids=range(len(ENDLESS)))
async def test_an_address_longer_than_can_be_read_is_refused_in_its_form(
    shared: Running, beginning: str, told: tuple[int, str], method: str
) -> None:
    """40 kB are more than the reader takes; the answer is the same as for an address that it can read."""
    got = await shared.get(beginning.format(key=shared.key.name) + "9" * 40_000, method)

    assert (got.status, got.headers["Content-Type"], got.cover) == (*told, "long")
    assert got.headers["Access-Control-Allow-Origin"] == "*"
    assert (got.body == b"") == (method == "HEAD")
    assert int(got.headers["Content-Length"]) > 30


async def test_amazons_addresses_do_not_fail_by_their_headers(shared: Running) -> None:
    """With a header that is longer than the reader takes, or is none, Evergreen gets 200 and the pixel."""
    for header in ("Cookie: " + "x" * 9000, "not a header"):
        head = f"GET /images/P/0141439513.01.MZZZZZZZ.jpg HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"
        answer = await raw(shared, head.encode())
        assert answer[8:13] == b" 200 ", header[:20]
        assert b"GIF89a" in answer


async def test_slashes_cost_no_more_than_other_requests(shared: Running) -> None:
    """A hundred paths of 32,000 slashes take less CPU than three took the router (0.14 s each)."""
    request = b"GET " + b"/" * 32_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    before = time.process_time()
    for _ in range(100):
        await raw(shared, request)

    assert time.process_time() - before < 0.4


async def test_a_thousand_isbns_fit(shared: Running) -> None:
    """The one long query that is wanted is answered: a thousand ISBNs, with commas written in %XX."""
    path = f"/devkey/{shared.key.name}/info?isbn=" + quote(",".join([COVERED] * 1000))

    assert (await shared.get(path)).status == 200
    assert (await shared.get(f"/devkey/{shared.key.name}/info?" + "isbn=1&" * 900)).status == 200


async def test_programs_get_the_refusal_as_a_problem(shared: Running) -> None:
    """Who asks for JSON gets problem details, with what was found and what was expected."""
    got = await shared.get("/" + "a" * 3000, Accept="application/json")
    told = orjson.loads(got.body)

    assert (got.status, told["code"]) == (414, "long")
    assert "3001 bytes; expected at most 2048" in told["detail"]


@given(st.text("/ab%?&=", max_size=200))
def test_short_addresses_pass_unless_they_have_many_parts(target: str) -> None:
    """Nothing short is refused but for its number of segments or fields."""
    path, _, query = target.partition("?")
    too_many = path.count("/") > MAX_SEGMENTS or query.count("&") >= 50

    assert bool(excess(target)) == too_many
    assert len(path) <= MAX_PATH_BYTES


@cache
def bomb() -> bytes:
    """Twenty million bytes in twenty thousand."""
    return gzip.compress(bytes(20_000_000))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "x-unknown", "gzip, gzip"])
@pytest.mark.parametrize("path", ["/keys", "/admin/login", "/devkey/{key}/info", "/devkey/{key}/usage"])
async def test_compressed_bodies_are_refused_unread(shared: Running, path: str, coding: str) -> None:
    """A body with Content-Encoding is 415 everywhere, and nothing of it is unpacked."""
    got = await post(
        shared, path.format(key=shared.key.name), bomb(), Content_Type="text/plain", Content_Encoding=coding
    )

    assert (got.status, orjson.loads(got.body)["code"]) == (415, "type")


async def test_identity_is_no_compression(shared: Running) -> None:
    """`Content-Encoding: identity` says that nothing was done."""
    got = await post(
        shared, f"/devkey/{shared.key.name}/info", COVERED.encode(), Content_Type="text/plain",
        Content_Encoding="identity",
    )  # fmt: skip

    assert got.status == 200


FORMS = {
    "multipart": (
        "multipart/form-data; boundary=b",
        b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--\r\n", 415,
    ),
    "multipart without a name": ("multipart/form-data; boundary=b", b"--b\r\n\r\n1\r\n--b--\r\n", 415),
    "multipart without an end": ("multipart/form-data; boundary=b", b"--b\r\n", 415),
    "multipart without a boundary": ("multipart/form-data", b"--b\r\n", 415),
    "plain text": ("text/plain", b"label=x", 415),
    "no type": ("", b"label=x", 415),
    "an odd type": ("/;;=", b"label=x", 415),
    "idna": (f"{URLENCODED}; charset=idna", b"a=xn--" + b"a" * 7000, 415),
    "an unknown charset": (f"{URLENCODED}; charset=nosuch", b"label=x", 415),
    "a key as its charset": (f"{URLENCODED}; charset=abcdefgh23456789", b"label=x", 415),
    "utf-7": (f"{URLENCODED}; charset=utf-7", b"label=+ADw-", 415),
    "utf-16": (f"{URLENCODED}; charset=utf-16", "label=x".encode("utf-16"), 415),
    "zip": (f"{URLENCODED}; charset=zip", b"label=x", 415),
    "no UTF-8": (URLENCODED, b"label=\xff\xfe", 400),
    "no UTF-8 behind percent signs": (URLENCODED, b"label=%ff%fe", 400),
    "many fields": (URLENCODED, b"a=1&" * 500, 400),
    "large": (URLENCODED, b"label=" + b"x" * 9000, 413),
}  # fmt: skip


@pytest.mark.parametrize(("media_type", "body", "status"), FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("path", ["/keys", "/admin/login", "/devkey/{key}/usage"])
async def test_malformed_forms_are_the_clients_fault(
    share: Start, caplog: pytest.LogCaptureFixture, path: str, media_type: str, body: bytes, status: int
) -> None:
    """What is not a short form in UTF-8 is 400, 413 or 415 as a page, and writes no line into the log."""
    server = await share(admin={"token": "a long enough password"})
    got = await post(
        server, path.format(key=server.key.name), body, Content_Type=media_type, Accept="text/html"
    )

    assert got.status == status
    assert got.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"<h1>" in got.body
    assert not caplog.records


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=UTF-8", '; charset="utf8"'])
async def test_a_form_in_utf8_is_read(shared: Running, charset: str) -> None:
    """Absent and UTF-8 are the same; a form that is not ours is then refused as a form, not as a body."""
    got = await post(
        shared, "/keys", "label=Büch".encode(), Content_Type=URLENCODED + charset, Accept="application/json"
    )

    assert (got.status, orjson.loads(got.body)["code"]) == (403, "form")


async def test_a_body_that_never_comes_is_given_up(shared: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that is announced and does not come is 408 once its time is over."""
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.3)
    head = f"POST /devkey/{shared.key.name}/info HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
    answer = await raw(shared, head.encode() + b"Content-Type: text/plain\r\n\r\n97")

    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "request_",
    [b"GET / HTTP/1.1\r\nHost: x\r\nabcdefgh23456789 : 1\r\n\r\n", b"abcdefgh23456789\r\n\r\n",
     b"GET / HTTP/9.9\r\n\r\n",
     b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: abcdefgh23456789\r\n" % n for n in range(100)) + b"\r\n"],
    ids=["header", "line", "version", "many headers"],
)  # fmt: skip
async def test_what_is_not_http_writes_nothing_into_the_log(
    shared: Running, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    """Bytes that are not HTTP are 400; nothing of them, which may be a key, is logged or sent back."""
    answer = await raw(shared, request_)

    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"abcdefgh23456789" not in answer
    assert not caplog.records


@pytest.mark.parametrize(
    "rest", ["/b/id/{}-L.jpg", "/b/id/1-L.jpg?x={}", "/getImage.php?return_error=true&query={}"]
)
async def test_where_a_picture_would_be_taken_what_is_too_long_has_none(shared: Running, rest: str) -> None:
    """BookWyrm keeps what opens as a picture, Finna asks for errors: 414 is words there, not the pixel."""
    got = await shared.get(f"/devkey/{shared.key.name}{rest.format('9' * 5000)}")

    assert (got.status, got.headers["Content-Type"]) == (414, "text/plain; charset=utf-8")
    assert got.body[:3] != b"GIF"


BEYOND_ASCII = (
    ("/medium/isbn/{}", 200, "image/gif"), ("/medium/isbn/{}?default=404", 400, "text/plain; charset=utf-8"),
    ("/b/isbn/{}-M.jpg", 200, "image/gif"), ("/b/isbn/{}.json", 400, "application/json"),
    ("/images/P/{}.jpg?default=404", 200, "image/gif"), ("/covers/?id={}&format=img", 200, "image/gif"),
    ("/api/books?bibkeys={}", 400, "application/json"), ("/cover?id={}", 400, "application/json"),
    ("/index.aspx?isbn={}/MC.GIF", 200, "image/gif"), ("/?isbn={}&size=M", 200, "image/gif"),
    ("/index.aspx?isbn={}/index.xml", 400, "text/xml; charset=utf-8"),
    ("/iiif/3/{}/info.json", 400, "text/plain; charset=utf-8"),
)  # fmt: skip


@pytest.mark.parametrize(("path", "status", "kind"), BEYOND_ASCII)
async def test_bytes_beyond_ascii_are_answered_in_the_form_of_the_address(
    shared: Running, path: str, status: int, kind: str
) -> None:
    """Clients that encode nothing send them as they are, and HTTP has no place for them: a picture's address
    gives the placeholder, and all others an error that their clients can read."""
    for text in (b"\xc3\xbc\xe2\x80\x91", b"\xff"):
        before, _, behind = f"/devkey/{shared.key.name}{path}".encode().partition(b"{}")
        got = await raw(shared, b"GET " + before + text + behind + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = got.partition(b"\r\n\r\n")
        assert int(head.split(b" ")[1]) == status, got
        assert f"Content-Type: {kind}\r\n".encode() in head + b"\r\n"
        assert b"Access-Control-Allow-Origin: *" in head
        assert (body == PLACEHOLDER) == (kind == "image/gif")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/bookcover/x/y", "application/json"), ("/iiif/3//info.json", "text/plain; charset=utf-8"),
     ("/iiif/2/x/full/max/0", "text/plain; charset=utf-8"), ("/api/volumes/brief/json/", "application/json"),
     ("/api/volumes/brief/htid/1", "application/json"),
     ("/api/books.xml?bibkeys=1", "application/json")],
)  # fmt: skip
async def test_what_is_no_route_of_another_service_is_refused_as_that_does(
    shared: Running, path: str, kind: str
) -> None:
    """An address that is cut short is 404 in the form of the rest: viewers would show the placeholder."""
    got = await shared.get(f"/devkey/{shared.key.name}{path}")
    assert (got.status, got.headers["Content-Type"]) == (404, kind)
    assert b"There is no such page" in got.body
