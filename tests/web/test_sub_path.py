"""A service below a path of another site, behind a real nginx that takes the path away."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import orjson
import pytest
from conftest import BROWSER, COVERED, Start
from fronting import nginx
from ports import free_port

from coverproxy.config import load
from coverproxy.domain.errors import ConfigError
from coverproxy.web.sub_path import linked

PAGE = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
PICTURE = {**BROWSER, "Sec-Fetch-Site": "same-origin"}
LINK = re.compile(r'\s(?:href|src|action|formaction)="([^"]*)"')
SRCSET = re.compile(r'\ssrcset="([^"]*)"')


@contextlib.asynccontextmanager
async def site(folder: Path, app: str, port: int) -> AsyncIterator[str]:
    """Run a library's site, which has our app below /covers and nothing else."""
    conf = f"""events {{ }}
http {{
    server {{
        listen 127.0.0.1:{port};
        location /covers/ {{ proxy_pass {app}/; proxy_set_header Host $http_host; }}
    }}
}}
"""
    async with nginx(folder, conf, port) as url:
        yield url


def led_to(page: str) -> set[str]:
    """Every address that a page leads to or shows."""
    sets = (part.split()[0] for each in SRCSET.findall(page) for part in each.split(",") if part.split())
    return {*LINK.findall(page), *sets}


async def crawled(client: aiohttp.ClientSession, whole: str, pages: list[str]) -> dict[str, int]:
    """Follow the links of pages, and those of the pages behind them; return each address with its status."""
    seen: dict[str, int] = {}
    for depth in range(3):
        found: set[str] = set()
        for url in pages:
            async with client.get(url, headers=PICTURE if "/try/" in url else PAGE) as got:
                seen[url] = got.status
                if got.content_type == "text/html":
                    found |= {urljoin(url, link.replace("&amp;", "&")) for link in led_to(await got.text())}
        ours = {each.partition("#")[0] for each in found if each.startswith(whole.removesuffix("/covers"))}
        assert {each for each in ours if not each.startswith(f"{whole}/")} == set()
        pages = sorted(each for each in ours - set(seen) if depth < 1 or "/devkey/" not in each)[:60]
    return seen


async def test_every_link_of_every_page_leads_below_the_path(start: Start, tmp_path: Path) -> None:
    """Pages, their pictures, styles and forms, and what lies behind them, are below the path."""
    port = free_port()
    whole = f"http://127.0.0.1:{port}/covers"
    server = await start(front={"public_url": whole}, signup={"mode": "open"})
    pages = ["", f"item/isbn/{COVERED}", f"devkey/{server.key.name}/usage", "nowhere"]
    async with site(tmp_path / "nginx", server.listeners.url, port), aiohttp.ClientSession() as client:
        seen = await crawled(client, whole, [f"{whole}/{each}" for each in pages])
    assert len(seen) > 30
    lost = {url for url, status in seen.items() if status >= 400 and f"{whole}/admin" not in url}
    # besides the page that is not there, the address of a form without what is typed into it
    assert {url.partition("?")[0] for url in lost} == {f"{whole}/nowhere", f"{whole}/item"}


async def test_redirects_cookies_and_json_are_below_the_path(start: Start, tmp_path: Path) -> None:
    """Location, Content-Location, the path of cookies, and the addresses of JSON."""
    port = free_port()
    whole = f"http://127.0.0.1:{port}/covers"
    server = await start(front={"public_url": whole})
    base, jar = f"{whole}/devkey/{server.key.name}", aiohttp.CookieJar(unsafe=True)
    async with (
        site(tmp_path / "nginx", server.listeners.url, port),
        aiohttp.ClientSession(headers=PAGE, cookie_jar=jar) as client,
    ):
        async with client.get(f"{whole}/nowhere/", allow_redirects=False) as got:
            assert got.headers["Location"] == "/covers/nowhere"
        async with client.get(f"{whole}/?lang=de") as got:
            assert {each["path"] for each in got.cookies.values()} == {"/covers"}
        async with client.get(f"{base}/info/isbn/{COVERED}", headers=BROWSER) as got:
            assert f"{base}/".encode() in await got.read()
        async with client.get(f"{whole}/openapi.json") as got:
            assert orjson.loads(await got.read())["servers"] == [{"url": "/covers"}]
        for path, is_ours in ((f"b/isbn/{COVERED}-M.jpg", False), (f"medium/isbn/{COVERED}", True)):
            async with client.get(f"{base}/{path}", headers=BROWSER) as got:
                where = f"/covers/devkey/{server.key.name}/medium/isbn/{COVERED}"
                assert got.headers.get("Content-Location") == (None if is_ours else where)


async def test_the_json_of_pages_leads_below_the_path(start: Start) -> None:
    """Its addresses have the path, once; what somebody typed stays, even if it looks like one."""
    whole = "http://127.0.0.1/covers"
    server = await start(front={"public_url": whole})
    got = await server.get(f"/item/isbn/{COVERED}", Accept="application/json")
    told = orjson.loads(got.body)
    assert told["admin"] == f"/covers/admin/book?isbn={COVERED}"
    assert told["sizes"][0]["shown"].startswith(f"/covers/try/small/isbn/{COVERED}?v=")
    assert told["sizes"][0]["url"].startswith(f"{whole}/devkey/")
    tried = orjson.loads((await server.get(f"/?isbn=/{COVERED}", Accept="application/json")).body)["tried"]
    assert tried["asked"] == f"/{COVERED}"


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (b'<a class="x" href="/a">', b'<a class="x" href="/c/a">'),
        (b'<img src="/a" srcset="/a 1x, /b 2x">', b'<img src="/c/a" srcset="/c/a 1x, /c/b 2x">'),
        (b'<form action="/"><button formaction="/x">', b'<form action="/c/"><button formaction="/c/x">'),
        (b'<a href="//elsewhere/"><a href="b"><a href="#x"><a href="https://x/y">', b""),
        (b"&lt;img src=&#34;/a&#34;&gt; href=/a", b""),
    ],
)
def test_only_links_to_ourselves_are_changed(page: bytes, told: bytes) -> None:
    """Other sites', relative ones and code that is shown stay as they are."""
    assert linked(page, "/c") == (told or page)


@pytest.mark.parametrize(
    "url",
    ["https://x.example/../a", "https://x.example/a?b", "https://x.example/a b", "https://x.example//a"],
)
def test_a_path_is_plain(url: str) -> None:
    """What no web server takes away as it stands is refused with the config."""
    with pytest.raises(ConfigError, match=r"front\.public_url: "):
        load(None, {}, {"front": {"public_url": url}})
