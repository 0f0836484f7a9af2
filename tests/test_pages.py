"""The home page, in a real browser and as HTML."""

from pathlib import Path

from aiohttp import web
from browser import browser
from conftest import COVERED, UNCOVERED, Start

from coverproxy.serving import application, listen
from coverproxy.web.pages import Shown


async def test_the_demo_page_shows_covers_in_a_browser(start: Start, tmp_path: Path) -> None:
    """In Chromium covers load at their true size, a missing one is one pixel, and the policy holds."""
    server = await start(render={"answer_within_seconds": 30.0})
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
        async with browser(tmp_path / "chromium", "--window-size=390,844") as page:
            await page.open(f"{listeners.url}/")
            sizes = await page.ask(
                "Promise.all([...document.images].map(i => i.decode().then(() => "
                "[i.naturalWidth, i.naturalHeight, i.currentSrc.includes('/medium/')])))"
            )
            assert sizes[:3] == [[100, 150, False], [200, 300, True], [500, 750, False]]
            assert sizes[-1] == [1, 1, True]
            assert await page.ask("document.querySelector('pre').textContent.includes('<img src=')")
            assert await page.ask("document.querySelector('h3').textContent") == "Pride & <Prejudice>"
            assert await page.ask("document.documentElement.scrollWidth <= window.innerWidth")
            assert await page.ask("getComputedStyle(document.body).backgroundColor") != "rgba(0, 0, 0, 0)"
            assert await page.ask("fetch('/devkey/x/medium/isbn/1').then(() => 'went', () => 'blocked')") == (
                "blocked"
            )
    finally:
        await runner.cleanup()


async def test_without_covers_to_show_the_page_says_how_to_begin(start: Start) -> None:
    """A served home page explains the URL and the operator's first steps, and loads nothing else."""
    server = await start()
    page = await server.get("/")
    text = page.body.decode()

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "coverproxy import FOLDER" in text
    assert "/devkey/<b>KEY</b>/<b>SIZE</b>/isbn/<b>ISBN</b>" in text
    assert server.key.name not in text
    assert (await server.get("/style.css")).headers["Content-Type"].startswith("text/css")


async def test_a_host_header_is_shown_harmless(start: Start) -> None:
    """What a client sends as Host is text on the page, never markup."""
    server = await start()
    page = await server.get("/", Host='"><script>alert(1)</script>')

    assert b"<script" not in page.body
