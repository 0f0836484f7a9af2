"""An address opened in a browser's window shows a page, a card or a cover, and never a black window."""

import pytest
from browser import Page
from conftest import COVERED, UNCOVERED, Running
from multidict import CIMultiDict, CIMultiDictProxy

from coverproxy.config import Site
from coverproxy.web.accept import is_navigation
from coverproxy.web.errors import TABLE
from coverproxy.web.texts import load

CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Accept": CHROME}, True), ({"Accept": FIREFOX}, True), ({"Accept": "text/html"}, True),
        ({"Accept": CHROME, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, True),
        ({"Accept": "*/*", "Sec-Fetch-Dest": "document"}, True),
        ({"Accept": CHROME, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, False),
        ({"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, False),
        ({"Accept": JAVA}, False), ({"Accept": "*/*"}, False), ({}, False),
        ({"Accept": "image/avif,image/webp,*/*"}, False), ({"Accept": "application/json, text/html"}, False),
    ],
)  # fmt: skip
def test_who_navigates(headers: dict[str, str], expected: bool) -> None:
    """Browsers say so by Sec-Fetch, or on http by Accept; Java names text/html, and wants pictures."""
    assert is_navigation(CIMultiDictProxy(CIMultiDict(headers))) is expected


def opened(key: str) -> dict[str, int]:
    start = f"/devkey/{key}"
    return {
        "/nope": 404, "/paper": 404, "/wp-login.php": 404, "/devkey": 404, start: 404, f"{start}/medium": 404,
        f"{start}/huge/isbn/{COVERED}": 404, f"{start}/medium/isbn/{UNCOVERED}": 404,
        f"{start}/medium/isbn/9780141439519": 400, f"/devkey/nosuchkeynosuchkey/medium/isbn/{COVERED}": 403,
        f"/try/huge/isbn/{COVERED}": 403, f"{start}/medium/isbn/{UNCOVERED}?default=404": 404,
    }  # fmt: skip


async def test_what_is_no_cover_is_a_page(server: Running) -> None:
    """Every address that shows no cover is a page with its true status in a browser's window."""
    for path, status in opened(server.key.name).items():
        got = await server.get(path, Sec_Fetch_Dest="document", Sec_Fetch_Mode="navigate", Accept=CHROME)
        assert (path, got.status, got.headers["Content-Type"]) == (path, status, "text/html; charset=utf-8")
        assert got.cover
        assert b"<h1>" in got.body
        assert got.headers["Cache-Control"] == "no-store"


async def test_pictures_stay_pictures(server: Running) -> None:
    """An <img> element, a Java client and curl get the placeholder as ever."""
    for sent in ({"Accept": "image/webp,*/*"}, {"Accept": JAVA, "Sec_Fetch_Dest": ""}, {"Accept": "*/*"}):
        got = await server.get(server.path(UNCOVERED), **sent)
        assert (got.status, got.headers["Content-Type"]) == (200, "image/gif")


async def test_a_cover_in_the_window_is_the_cover(server: Running) -> None:
    """Who opens a cover that is there sees it."""
    got = await server.get(server.path(), Accept=CHROME, Sec_Fetch_Dest="document", Sec_Fetch_Mode="navigate")

    assert (got.status, got.headers["Content-Type"].partition("/")[0]) == (200, "image")


async def test_a_last_slash_leads_to_the_page(server: Running) -> None:
    """`/keys/` leads to `/keys`, with its query; leading slashes never lead to another site."""
    sent = {"Accept": CHROME, "Sec_Fetch_Dest": "document"}
    async with server.client.get(f"{server.listeners.url}/keys/", headers={"Accept": CHROME}) as response:
        assert (response.status, response.url.path) == (200, "/keys")
    async with server.client.get(
        f"{server.listeners.url}/status/?a=1", headers={"Accept": CHROME}, allow_redirects=False
    ) as response:
        assert (response.status, response.headers["Location"]) == (308, "/status?a=1")
    for path in ("//evil.example/", "///evil.example//", "/%2Fevil.example/", "/\\evil.example/"):
        got = await server.client.get(
            server.listeners.url + path, headers={"Accept": CHROME}, allow_redirects=False
        )
        where = got.headers.get("Location", "/")
        assert where.startswith("/")
        assert not where.startswith(("//", "/\\"))
    assert (await server.get("/", **sent)).status == 200


async def test_the_card_shows_in_the_window(server: Running, tab: Page) -> None:
    """`?default=card` opened by itself is the card: everybody tries it there first."""
    got = await server.get(
        f"{server.path(UNCOVERED)}?default=card&title=Title", Accept=FIREFOX, Sec_Fetch_Dest="document"
    )
    assert (got.status, got.headers["Content-Type"]) == (200, "image/svg+xml")
    await tab.open(f"{server.listeners.url}{server.path(UNCOVERED)}?default=card&title=Title")
    assert "Title" in await tab.ask("document.documentElement.textContent")


def test_every_word_has_its_text() -> None:
    """Each word that an error is answered with has a text for its page."""
    for language in ("en", "de"):
        texts = load(Site(language=language))
        assert all(texts(f"error.{how.label}") for how in TABLE.values())


async def test_a_bound_keys_answers_are_private(server: Running) -> None:
    """What a key of some sites gets may be kept by that browser, and by no cache between."""
    bound = await server.new_key(sites=("opac.example.org",))
    here = {"Referer": "https://opac.example.org/"}
    for isbn in (COVERED, UNCOVERED, "1"):
        for _ in range(2):
            got = await server.get(server.path(isbn, key=bound.name), **here)
            assert got.headers["Cache-Control"].startswith("private, max-age=")
    assert (await server.get(server.path())).headers["Cache-Control"].startswith("public, ")
