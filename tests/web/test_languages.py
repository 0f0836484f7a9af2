"""The language of pages: what the browser asks for, and what the reader chose."""

import re

import pytest
from browser import Page
from conftest import Running, Start
from yarl import URL

from coverproxy.web.accept import language

HTML = "text/html"
OFFERED = ("en", "de", "fr")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("nl,de;q=0.3,fr;q=0.7", "fr"),
        ("de;q=0,fr;q=0.1", "fr"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("nl, sv", "en"),
        ("fr;q=2, de;q=0.5", "de"),
        ("de;q=0.5,fr;q=0.5", "de"),
        ("x" * 5000 + ",de", "en"),
        ("zh-Hant-TW,,;;q=,=", "en"),
    ],
)
def test_the_language_that_is_liked_best_is_chosen(asked: str, found: str) -> None:
    """By q, by order, by the language of a region; never one that is refused, and the site's own else."""
    assert language(asked, OFFERED) == found


async def test_a_page_is_in_the_browsers_language(server: Running) -> None:
    """Accept-Language decides, the page says its language, and caches keep the languages apart."""
    got = [await server.get("/keys", Accept=HTML, Accept_Language=each) for each in ("de", "fr-FR", "nl")]

    assert [each.headers["Content-Language"] for each in got] == ["de", "fr", "en"]
    tags = [page.body.decode().partition("<html ")[2][:9] for page in got]
    assert tags == ['lang="de"', 'lang="fr"', 'lang="en"']
    assert "Schlüssel bekommen" in got[0].body.decode()
    assert "Obtenir une clé" in got[1].body.decode()
    for each in got:
        assert {"Accept", "Accept-Language", "Cookie"} <= set(each.headers["Vary"].split(", "))
        assert "coverproxy_language" not in each.headers.get("Set-Cookie", "")


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("//example.net/x", "/example.net/x"),
        ("///example.net/x", "/example.net/x"),
        ("/item/isbn/a%3Fb%23c", "/item/isbn/a%3Fb%23c"),
    ],
)
async def test_other_languages_of_a_page_are_at_its_own_address(
    server: Running, path: str, there: str
) -> None:
    """An address that begins like another site's name leads to no other site, nor does %3F begin a query."""
    url = URL(server.listeners.url + path, encoded=True)
    async with server.client.get(url, headers={"Accept": HTML, "Sec-Fetch-Mode": "navigate"}) as got:
        page = await got.text()

    assert re.findall(r'href="([^"]*)[?]lang=de"', page) == [there]


@pytest.mark.parametrize("path", ["/status", "/docs"])
async def test_pages_that_are_kept_are_kept_by_language(server: Running, path: str) -> None:
    """What was rendered for one reader is not shown to one who reads another language."""
    for _ in range(2):
        for each in ("de", "fr", "en"):
            got = await server.get(path, Accept=HTML, Accept_Language=each)
            assert f'<html lang="{each}">' in got.body.decode()
            assert got.headers["Content-Language"] == each


async def test_a_choice_sticks_without_scripts(server: Running, tab: Page) -> None:
    """A link at the foot changes the page's language; later pages keep it, whatever the browser asks for."""
    await tab.call("Emulation.setScriptExecutionDisabled", value=True)
    await tab.call("Page.navigate", url=f"{server.listeners.url}/item?q=9780000000002")
    await tab.until("document.readyState == 'complete' && !!document.querySelector('footer nav')")
    link = "document.querySelector('footer a[hreflang=fr]').getAttribute('href')"
    where = await tab.ask(link)
    assert where == "/item/isbn/9780000000002?lang=fr"
    await tab.call("Page.navigate", url=server.listeners.url + where)
    await tab.until("document.documentElement.lang == 'fr'")
    await tab.call("Page.navigate", url=f"{server.listeners.url}/status")
    await tab.until("location.pathname == '/status' && document.readyState == 'complete'")
    assert await tab.ask("document.documentElement.lang") == "fr"
    assert await tab.ask("document.cookie") == ""
    await tab.call("Emulation.setScriptExecutionDisabled", value=False)


async def test_the_switch_repeats_no_key(server: Running) -> None:
    """What was looked for stays in the other languages' addresses; a key or secret does not."""
    got = await server.get("/batch?key=cp_sec_abcdefgh&q=42", Accept=HTML)

    assert b"/batch?q=42&amp;lang=de" in got.body
    assert got.body.count(b"cp_sec_abcdefgh") <= 1  # the field that it was typed into


async def test_a_choice_that_is_none_is_ignored(server: Running) -> None:
    """An unknown language in the address or the cookie leaves the page as it is, and sets nothing."""
    got = await server.get("/keys?lang=%3Cscript%3E", Accept=HTML, Cookie="coverproxy_language=xx")

    assert got.headers["Content-Language"] == "en"
    assert "coverproxy_language" not in got.headers.get("Set-Cookie", "")


async def test_a_site_may_have_one_language(start: Start) -> None:
    """With no others offered there is no switch, and the site's own language whatever is asked for."""
    server = await start(site={"language": "de", "languages": []})
    got = await server.get("/keys", Accept=HTML, Accept_Language="fr")

    assert got.headers["Content-Language"] == "de"
    assert b"hreflang" not in got.body
