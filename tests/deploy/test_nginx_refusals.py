"""What nginx itself refuses is told in the form of the address: JSON, XML, text, a picture."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from conftest import COVERED, UNCOVERED, Running
from fronting import before, fronted
from ports import free_port
from running import data
from yarl import URL

from coverproxy.domain.formats import PLACEHOLDER

__all__ = ["data"]  # a fixture

KEY = "/devkey/cp_nosuchkeynosuchkey"
JSON, PROBLEM, XML, WORDS = "application/json", "application/problem+json", "text/xml", "text/plain"
BROWSER, SCRIPT, PROGRAM = "text/html,image/webp,*/*;q=0.8", "*/*", "application/json"
FORMS = (
    (f"/api/books?bibkeys=ISBN:{COVERED}&callback=shown", SCRIPT, JSON),
    (f"/api/books?bibkeys=ISBN:{COVERED}", PROGRAM, JSON),
    (f"/cover?id={COVERED}&callback=shown", SCRIPT, JSON),
    (f"/info/isbn/{COVERED}", SCRIPT, JSON), (f"/v1/get?isbn={COVERED}", SCRIPT, JSON),
    ("/usage", SCRIPT, JSON), ("/usage", BROWSER, WORDS),
    (f"/index.aspx?isbn={UNCOVERED}/index.xml", SCRIPT, XML),
    (f"/medium/isbn/{UNCOVERED}", PROGRAM, PROBLEM),
    (f"/medium/isbn/{UNCOVERED}.jpg?default=404", SCRIPT, WORDS),
    (f"/b/isbn/{UNCOVERED}-M.jpg?default=false", SCRIPT, WORDS), ("/", BROWSER, WORDS),
)  # fmt: skip


async def ask(base: str, path: str, accept: str, **headers: Any) -> tuple[aiohttp.ClientResponse, bytes]:
    """Ask by GET; return the answer and its body."""
    sent = {"Accept": accept} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as client,
        client.get(URL(base + KEY + path, encoded=True), headers=sent) as got,
    ):
        return got, await got.read()


def is_told(got: aiohttp.ClientResponse, body: bytes, kind: str, status: int, why: str) -> None:
    """Hold an error against its form: type, words, and that pages of other sites may read it."""
    assert (got.status, got.content_type) == (status, kind), got.url
    if kind == JSON:
        assert orjson.loads(body) == {"error": why}
    elif kind == PROBLEM:
        told = orjson.loads(body)
        assert (told["title"], told["status"]) == (why.capitalize(), status)
        assert told["code"] == got.headers["X-Cover-Status"]
    elif kind == XML:
        assert body.decode() == f'<?xml version="1.0" encoding="UTF-8"?><ERRORS><ERROR>{why}</ERROR></ERRORS>'
    else:
        assert body.decode() == f"{why.capitalize()}.\n"
    assert got.headers["Access-Control-Allow-Origin"] == "*"
    assert got.headers["Cache-Control"] == "no-store"


@pytest.fixture
async def alone(data: Path, tmp_path: Path) -> AsyncIterator[str]:
    """nginx before an app that is away."""
    async with fronted(data, f"http://127.0.0.1:{free_port()}", tmp_path / "nginx") as front:
        (data / "cache" / "v2" / "placeholder.gif").write_bytes(PLACEHOLDER)
        yield front


async def test_without_the_app_errors_have_the_form_of_the_address(alone: str) -> None:
    """503 as JSON, a problem, XML or text, with Retry-After; the text of a .jpg is not image/jpeg."""
    for path, accept, kind in FORMS:
        got, body = await ask(alone, path, accept)
        is_told(got, body, kind, 503, "the service is not available right now")
        assert (got.headers["Retry-After"], got.headers["X-Cover-Status"]) == ("5", "unavailable")


async def test_programs_that_are_held_back_are_told_in_that_form(server: Running, tmp_path: Path) -> None:
    """429, as 503."""
    async with before(server, tmp_path / "nginx", requests_per_second=1, burst=1) as front:
        for path, accept, kind in FORMS:
            for _ in range(10):  # one a second is let through
                got, body = await ask(front, path, accept)
                if got.status == 429:
                    break
            is_told(got, body, kind, 429, "too many requests at once for an automated client")
            assert got.headers["X-Cover-Status"] == "throttled"


async def test_headers_and_bodies_that_are_too_long_are_told_in_that_form(alone: str) -> None:
    """No HTML of nginx's: an address of covers gets the pixel, unkept, as it may be all right itself."""
    for path, accept, kind in FORMS:
        if kind != PROBLEM:  # nginx has read no Accept yet
            kind = JSON if path == "/usage" else kind
            got, body = await ask(
                alone, path, accept, X_Long="1" * 8000, **{f"X_{n}": "1" * 8000 for n in range(20)}
            )
            is_told(got, body, kind, 431, "the headers are too long")
    for path in (f"/medium/isbn/{COVERED}", f"/images/P/{COVERED}.01.MZZZZZZZ.jpg?default=404"):
        got, body = await ask(alone, path, SCRIPT, **{f"X_{n}": "1" * 8000 for n in range(20)})
        assert (got.status, body, got.headers["Cache-Control"]) == (200, PLACEHOLDER, "no-store")
    async with aiohttp.ClientSession() as client:
        for path, kind in (("/info", JSON), ("/medium/isbn/x", WORDS)):
            async with client.post(alone + KEY + path, data=b"1" * 600_000) as got:
                is_told(got, await got.read(), kind, 413, "the body is too large")
                assert got.headers["X-Cover-Status"] == "large"


async def test_trace_is_refused_by_the_app(server: Running, tmp_path: Path) -> None:
    """405 with what the app says of its methods, not HTML of nginx's; the pages and covers are the same."""
    async with before(server, tmp_path / "nginx") as front, aiohttp.ClientSession() as client:
        for path in (server.path(), "/"):
            async with client.request("TRACE", front + path) as got:
                assert (got.status, got.headers["X-Cover-Status"]) == (405, "method")
                assert got.content_type == PROBLEM
                assert "GET" in got.headers["Allow"]


async def test_a_body_that_cannot_be_decoded_is_told_in_that_form(alone: str) -> None:
    """501 as JSON, a problem, XML or text where nginx knows no such transfer encoding."""
    for path, accept, kind in FORMS:
        got, body = await ask(alone, path, accept, Transfer_Encoding="gzip")
        is_told(got, body, kind, 501, "the transfer encoding is not known")
