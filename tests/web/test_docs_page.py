"""The page of documentation: every address, with examples and links that work."""

import html
import re
from pathlib import Path

import orjson
from browser import Page
from conftest import COVERED, Running

from coverproxy.domain.api_key import new_secret

HTML = "text/html,*/*;q=0.8"


async def test_every_address_is_there_and_its_links_work(server: Running) -> None:
    """All paths of the OpenAPI document are on the page; with a key in it, each link leads somewhere."""
    page = (await server.get(f"/docs?key={server.key.name}", Accept=HTML)).body.decode()
    document = orjson.loads(
        (await server.get("/docs", Accept="application/json", Accept_Encoding="identity")).body
    )
    links = [html.unescape(each) for each in re.findall(r'<p><a href="(/[^"]*)">[^<]*<code>', page)]
    here = {"Sec_Fetch_Site": "same-origin", "Accept": HTML}
    answers = {link: (await server.get(link, **here)).status for link in links}

    assert all(f"<code>{html.escape(path)}</code>" in page for path in document["paths"])
    assert len(links) > 40
    assert {link: status for link, status in answers.items() if status >= 400} == {}
    assert "YOUR-KEY" not in page
    assert f"curl {server.listeners.url}/devkey/{server.key.name}/" in page


async def test_without_a_key_the_examples_have_a_place_for_it(server: Running) -> None:
    """Links that need a key are left out, what is no key is not put in, and an example's cover is here."""
    page = (await server.get("/docs?key=<script>", Accept=HTML)).body.decode()

    assert f"/devkey/YOUR-KEY/medium/isbn/{COVERED}" in page
    assert 'href="/devkey/' not in page
    assert page.count("<script") == 1


async def test_people_read_it_anywhere(server: Running, tab: Page, tmp_path: Path) -> None:
    """No barrier and no sideways scrolling, on a phone and on a desk in the dark, with an address open."""
    for width, is_dark in ((390, False), (1280, True)):
        await tab.resize(width, 900)
        await tab.darken(is_dark)
        await tab.open(f"{server.listeners.url}/docs")
        await tab.ask("document.querySelectorAll('details').forEach((each, at) => each.open = at < 2)")
        assert await tab.ask("document.documentElement.scrollWidth <= window.innerWidth")
        assert await tab.barriers() == []
        await tab.picture(tmp_path / f"docs-{width}.png")


async def test_a_secret_is_not_put_into_examples(server: Running) -> None:
    """The owner's secret in the field for the key is told as such, and stands nowhere on the page."""
    secret = new_secret()
    page = await server.get(f"/docs?key={secret}", Accept=HTML)

    assert page.status == 403
    assert "This is the owner&#39;s secret, not the key" in page.body.decode()
    assert secret.encode() not in page.body
