"""The home page and what all pages have in common, in a real browser and over the wire."""

import asyncio
import re
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from browser import Page
from conftest import COVERED, UNCOVERED, Running, Start, configured
from ending import end

from coverproxy.domain.original import OriginalState
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.server.application import application, listen
from coverproxy.web.pages import Shown
from coverproxy.web.pages.page import Pages
from coverproxy.web.pages.shelf import SHELF

PATIENT = {"render": {"answer_within_seconds": 30.0}}
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
LOADED = (
    "Promise.all([...document.images].map(i => i.decode().then(() => "
    "[i.naturalWidth, i.naturalHeight, i.currentSrc.includes('/medium/')])))"
)


async def test_the_demo_page_shows_covers_in_a_browser(start: Start, tab: Page) -> None:
    """In Chromium covers load at their true size, a missing one is one pixel, and the policy holds."""
    server = await start(**PATIENT)
    shown = (
        Shown(COVERED, "Pride & <Prejudice>", "Jane Austen", server.key.name),
        Shown(UNCOVERED, "Gulliver's Travels", "Jonathan Swift", server.key.name, has_cover=False),
    )
    listeners = listen(server.config)
    config = server.config.model_copy(deep=True)
    runner = web.AppRunner(application(config, listeners, lambda: None, shown), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listeners.covers).start()
    try:
        await tab.resize(390, 844)
        await tab.open(f"{listeners.url}/")
        await tab.ask("document.querySelectorAll('img').forEach(each => each.loading = 'eager')")
        sizes = await tab.ask(LOADED)
        assert sizes[-5:-2] == [[100, 150, False], [200, 300, True], [500, 750, False]]
        assert sizes[-1] == [1, 1, True]
        addresses = await tab.ask("[...document.querySelectorAll('.demo img')].map(each => each.src)")
        assert all("?v=" in each for each in addresses), addresses
        assert await tab.ask("document.querySelector('.shelf span').textContent") == "Pride & <Prejudice>"
        assert await tab.ask("document.documentElement.scrollWidth <= window.innerWidth")
        blocked = "fetch('/devkey/x/medium/isbn/1').then(() => 'went', () => 'blocked')"
        assert await tab.ask(blocked) == "blocked"
    finally:
        await end(runner)


def test_templates_are_compiled_once_for_all_applications(tmp_path: Path) -> None:
    """Applications of one process share what was compiled, and none of what they show."""
    names = ("Reading room", "Town library")
    sites = [Pages(configured(tmp_path, site={"name": name})) for name in names]
    values = {"d": {"title": "", "status": 404, "code": ""}, "base": "", "path": "/", "switches": {}}
    shown = [each.render("error.html", each.by_language["en"], values) for each in sites]
    code = {id(each._environment.get_template("error.html").root_render_func.__code__) for each in sites}

    assert len(code) == 1
    assert [[name in text for name in names] for text in shown] == [[True, False], [False, True]]


async def test_without_covers_the_page_says_how_to_begin(tmp_path: Path) -> None:
    """On an empty service the home page tells its operator the first steps."""
    config = configured(tmp_path / "data")
    listeners = listen(config)
    runner = web.AppRunner(application(config, listeners, lambda: None), access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listeners.covers).start()
        reader, writer = await asyncio.open_connection(*listeners.covers.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = (await reader.read()).decode()
        writer.close()
    finally:
        await end(runner)

    assert "coverproxy import FOLDER" in text
    assert "/devkey/KEY/SIZE/isbn/ISBN&#34;" in text
    assert 'class="front"' not in text


async def test_somebody_looks_for_an_isbn(start: Start, tab: Page) -> None:
    """An ISBN with hyphens leads to its item: the cover at its true size, and its HTML, without a key."""
    server = await start(**PATIENT)
    await tab.open(f"{server.listeners.url}/")
    await tab.fill("#find", "ISBN 978-0-14-143951-8")
    await tab.click(".find button")

    assert await tab.ask(LOADED) == [[500, 750, False]]
    sharp = await tab.ask("document.querySelector('[aria-labelledby=html] code').textContent")
    url = f"{server.listeners.url}/devkey/YOUR-KEY/medium/isbn/{COVERED}"
    assert f'src="{url}"' in sharp
    assert f"{url} 200w" in sharp
    assert "/large/" in sharp


async def test_covers_come_before_words(start: Start, tab: Page) -> None:
    """The first screen of a phone and of a desk shows covers, then what this is, then where to type."""
    server = await start(**PATIENT)
    tops = "['.front', 'h1', '#find'].map(s => document.querySelector(s).getBoundingClientRect().top)"
    seen = (
        "[...document.images].filter(i => i.checkVisibility() && i.getBoundingClientRect().top < innerHeight)"
    )
    for width, height, count in ((390, 844, 8), (1280, 800, 16)):
        await tab.resize(width, height)
        await tab.open(f"{server.listeners.url}/")
        places = await tab.ask(tops)
        loaded = f"Promise.all({seen}.map(i => i.decode().then(() => i.naturalWidth > 1)))"
        assert await tab.ask(loaded) == [True] * count
        assert places == sorted(places)
        assert places[-1] < height


async def test_the_shelf_has_what_may_be_shown(server: Running) -> None:
    """A shelf of covers with their sides; what is hidden, pending or of an ended licence is never on it."""

    async def names() -> set[str]:
        server.app[SHELF].until = 0.0
        told = orjson.loads((await server.get("/", Accept="application/json")).body)
        assert all(each["width"] <= 200 and each["height"] <= 300 for each in told["shelf"])
        return {each["identifier"] for each in told["shelf"]}

    before = await names()
    catalogue = server.folder.catalogue
    states = [OriginalState.HIDDEN, OriginalState.PENDING, OriginalState.EXPIRED]
    gone = sorted(before)[:3]
    with catalogue.writing() as tables:
        for name, state in zip(gone, states, strict=True):
            tables.decide(tables.find(Identifier(ISBN, name))[0], state, is_pinned=False)
    after = await names()
    assert not after & set(gone)
    assert len(before) == len(after) == 16


async def test_the_shelf_takes_no_tries_and_is_kept(start: Start) -> None:
    """Its covers are made for no visitor's account, another size is; the page asks the catalogue seldom."""
    server = await start(site={"try_daily_limit": 1})
    here = {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "image"}
    told = orjson.loads((await server.get("/", Accept="application/json")).body)
    got = [(await server.get(each["shown"], **here)).cover for each in told["shelf"][:3]]
    large = told["shelf"][0]["shown"].replace("medium", "large").partition("?")[0]

    assert got == ["made"] * 3
    assert [(await server.get(large, **here)).cover, (await server.get(f"{large}.jpg", **here)).cover] == [
        "made",
        "hit",
    ]
    assert (await server.get(large.replace("large", "small"), **here)).cover == "quota"
    kept = server.app[SHELF].found
    await server.get("/")
    assert server.app[SHELF].found is kept


async def test_a_try_counts_for_the_home_page_and_shows_nowhere_else(start: Start) -> None:
    """A tried cover takes from the home page's own limit, and other sites can neither embed nor read it."""
    server = await start(site={"try_daily_limit": 1})
    here = {"Sec_Fetch_Site": "same-origin"}
    first = await server.get(f"/try/small/isbn/{COVERED}", **here)
    second = await server.get(f"/try/large/isbn/{COVERED}", Referer=server.listeners.url)
    foreign = [{}, {"Sec_Fetch_Site": "cross-site"}, {"Referer": "https://else.example/"}]

    assert (first.cover, second.cover) == ("made", "quota")
    assert [(await server.get(f"/try/small/isbn/{COVERED}", **sent)).status for sent in foreign] == [403] * 3
    assert first.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in first.headers
    assert (await server.get(f"/try/huge/isbn/{COVERED}", **here)).cover == "size"
    assert server.service.accounts.allowance(server.key).made == 0


async def test_one_address_does_not_use_up_the_tries_of_all(start: Start) -> None:
    """One address gets its part of the day's tries, whatever headers it forges; another still gets its own.

    What is there already counts for nobody, and the page says when its visitor's part is used up.
    """
    server = await start(site={"try_daily_limit": 3})
    here = {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "image"}  # it waits for what is being made
    flood, other = {**here, "X_Forwarded_For": "192.0.2.1"}, {**here, "X_Forwarded_For": "198.51.100.7"}
    sizes = ("small", "medium", "large")
    got = [(await server.get(f"/try/{size}/isbn/{COVERED}", **flood)).cover for size in sizes]
    again = await server.get(f"/try/{sizes[0]}/isbn/{COVERED}", **flood)
    pages = [
        orjson.loads((await server.get(f"/?isbn={COVERED}", Accept="application/json", **who)).body)
        for who in (flood, other)
    ]
    last = await server.get(f"/try/{sizes[2]}/isbn/{COVERED}", **other)

    assert got == ["made", "made", "quota"]
    assert again.cover == "hit"
    assert [page["tried"]["tries_left"] for page in pages] == [0, 1]
    assert last.cover == "made"


async def test_the_home_page_is_json_too(server: Running) -> None:
    """Who asks for JSON gets all that the page shows: counts, sizes, terms of use, and the try."""
    got = await server.get(f"/?isbn={COVERED}", Accept="application/json")
    told = orjson.loads(got.body)

    assert got.headers["Content-Type"] == "application/json"
    assert told["isbns"] == 28
    assert told["sizes"]["medium"] == {"width": 200, "height": 300}
    assert told["tried"]["isbn10"] == "0141439513"
    assert told["tried"]["sizes"][0]["width"] == 100
    missing = orjson.loads((await server.get(f"/?isbn={UNCOVERED}", Accept="application/json")).body)
    assert missing["tried"]["has_cover"] is False
    odd = orjson.loads((await server.get("/?isbn=123", Accept="application/json")).body)
    assert odd["tried"]["why"] == "expected 10 or 13 digits, found 3"


HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"


@pytest.mark.parametrize("where", ["Host", "isbn"])
async def test_what_clients_send_is_shown_harmless(server: Running, where: str) -> None:
    """A hostile Host or ISBN is text on the page, never markup and never a template."""
    if where == "Host":
        page = await server.get("/", Host='"><script>alert(1)</script>')
    else:
        async with server.client.get(server.listeners.url + "/", params={"isbn": HOSTILE}) as response:
            page_body = await response.read()
        assert b"{{7*7}}" in page_body
        assert b"onerror=alert" not in re.sub(rb"&lt;.*?&gt;", b"", page_body)
        assert b"<script>alert" not in page_body
        return
    assert b"<script>alert" not in page.body
    assert page.body.count(b"<script") == 1


@pytest.mark.parametrize(
    "path", ["/", "/keys", "/status", "/style.css", "/page.js", "/favicon.svg", "/robots.txt"]
)
async def test_every_page_is_guarded(server: Running, path: str) -> None:
    """Each page and what it is made of: nothing from elsewhere, no frames, no path in a Referer."""
    page = await server.get(path, Accept=HTML)

    assert page.status == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["Referrer-Policy"] == "strict-origin"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.findall(rb"""(?:src|href|srcset)=["'](?:https?:)?//""", page.body)


async def test_pages_work_without_scripts(start: Start, tab: Page) -> None:
    """Without JavaScript an old link with ?isbn= shows the cover, and nothing is there to click in vain."""
    server = await start(**PATIENT)
    await tab.call("Emulation.setScriptExecutionDisabled", value=True)
    await tab.call("Page.navigate", url=f"{server.listeners.url}/?isbn={COVERED}")
    await tab.until("location.pathname == '/item/isbn/9780141439518' && document.images.length == 1")
    await tab.call("Emulation.setScriptExecutionDisabled", value=False)

    assert await tab.ask("document.querySelectorAll('.copyable').length > 0")
    assert await tab.ask("document.querySelectorAll('.copy').length") == 0


async def test_a_click_copies(start: Start, tab: Page) -> None:
    """The button beside a snippet puts it into the clipboard, and says so."""
    server = await start()
    await tab.open(f"{server.listeners.url}/")
    await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
    click = "document.querySelector('.copy').click()"
    await tab.call("Runtime.evaluate", expression=click, userGesture=True)

    await tab.until("document.querySelector('.copy').textContent == 'Copied'")


async def test_texts_can_be_of_another_language_and_the_operators_own(start: Start, tmp_path: Path) -> None:
    """site.language and a file of texts change what pages say, escaped as all text; so do name and terms."""
    file = tmp_path / "own.toml"
    file.write_text('[home]\nlead = "Nur <b>hier</b>."\n')
    site = {"language": "de", "texts": str(file), "name": "Umschläge & mehr", "terms": "Eins.\n\nZwei <i>."}
    server = await start(site=site)
    text = (await server.get("/")).body.decode()

    assert '<html lang="de">' in text
    assert "Umschläge &amp; mehr" in text
    assert "Nur &lt;b&gt;hier&lt;/b&gt;." in text
    assert "<p>Eins.</p>" in text
    assert "Zwei &lt;i&gt;." in text
    assert "Einen Umschlag finden" in text


async def test_an_address_of_nothing_stays_what_it_was(server: Running) -> None:
    """A path that no page has is answered as before: 404 with the placeholder, as images may ask there."""
    got = await server.get("/nothing/here", Accept=HTML)

    assert (got.status, got.cover, len(got.body)) == (404, "path", 43)
