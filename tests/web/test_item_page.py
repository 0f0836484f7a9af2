"""The page of an item: every spelling leads to it, and it holds all that one needs to show the cover."""

import asyncio
from pathlib import Path

import images
import orjson
import pytest
from browser import Page
from conftest import COVERED, UNCOVERED, Running, Start, take_in

from coverproxy.demo.classics import CLASSICS
from coverproxy.domain.schemes import read

HTML = "text/html,*/*;q=0.8"


@pytest.mark.parametrize("typed", [COVERED, "ISBN 978-0-14-143951-8", "0141439513", f"isbn:{COVERED}"])
async def test_every_spelling_leads_to_the_item(server: Running, typed: str) -> None:
    """What is typed leads on to the canonical address."""
    async with server.client.get(
        f"{server.listeners.url}/item", params={"q": typed}, allow_redirects=False
    ) as got:
        assert (got.status, got.headers["Location"]) == (303, f"/item/isbn/{COVERED}")


async def test_the_heading_is_as_people_write_it(server: Running) -> None:
    """A title stands there where one is known for sure; else the number with its mark and its hyphens."""
    got = await server.get(f"/item/isbn/{UNCOVERED}?title=Buy%20this", Accept=HTML)
    page = got.body.decode()
    assert f">ISBN {UNCOVERED[:3]}-" in page
    assert "Buy this" not in page
    assert f"isbn:{UNCOVERED}" not in page
    assert (
        "ISSN 0378-5955</span></h1>" in (await server.get("/item/issn/03785955", Accept=HTML)).body.decode()
    )


async def test_a_language_goes_on_to_the_next_page(server: Running) -> None:
    """A language chosen by an address stays from the home page to the item, also without cookies."""
    leads = {
        f"/?isbn={COVERED}&lang=fr": f"/item?q={COVERED}&lang=fr",
        f"/item?q={COVERED}&lang=fr": f"/item/isbn/{COVERED}?lang=fr",
    }
    for path, where in leads.items():
        url, asked = server.listeners.url + path, {"Accept": HTML}
        async with server.client.get(url, headers=asked, allow_redirects=False) as got:
            assert got.headers["Location"] == where


async def test_what_cannot_be_read_is_said(server: Running) -> None:
    """A wrong check digit gets a page that says so and keeps what was typed; an unknown scheme is a 404."""
    got = await server.get("/item?q=9780141439519", Accept=HTML)
    page = got.body.decode()

    assert got.status == 404
    assert 'value="9780141439519"' in page
    assert "check digit" in page
    assert (await server.get("/item/nothing/1", Accept=HTML)).status == 404
    assert (await server.get("/item/isbn/9780141439519", Accept=HTML)).status == 404
    assert "<script>alert" not in (await server.get("/item?q=<script>alert", Accept=HTML)).body.decode()


async def test_what_excludes_each_other_is_not_chosen_from(start: Start, tmp_path: Path) -> None:
    """Nine digits that are two books' are both offered while both have covers, as the image is missing then.

    While one alone has a cover, the page leads to that one.
    """
    nine = "100000029"
    both = tuple(each.value for each in read(nine).identifiers)
    assert (len(both), read(nine).only_one) == (2, True)
    covers = tmp_path / "covers"
    covers.mkdir()
    server = await start()
    for count, isbn in enumerate(both, 1):
        (covers / f"{isbn}.jpg").write_bytes(images.distinct(images.small_jpeg(), count))
        await asyncio.to_thread(take_in, server.config, covers)
        got = await server.get(f"/item?q={nine}", Accept=HTML)
        page = got.body.decode()
        assert [isbn in page for isbn in both] == [True, count == 2]
        assert ('src="/try/' in page) == (count == 1)
        assert (await server.get(server.path(nine))).cover == ("made" if count == 1 else "missing")
    assert got.status == 404
    assert all(f'href="/item/isbn/{isbn}"' in page for isbn in both)
    told = orjson.loads((await server.get(f"/item/isbn/{nine}", Accept="application/json")).body)
    assert [each["name"] for each in told["can_mean"]] == [*both]


async def test_an_items_json(server: Running) -> None:
    """Programs get the same: names, original, every size with its bytes by format, null until it is made."""
    await server.get(server.path(size="medium"))
    told = orjson.loads((await server.get(f"/item/isbn/{COVERED}", Accept="application/json")).body)
    sizes = {each["name"]: each for each in told["sizes"]}

    assert (told["identifier"], told["has_cover"]) == (f"isbn:{COVERED}", True)
    assert (sizes["medium"]["width"], sizes["medium"]["height"]) == (200, 300)
    assert sizes["medium"]["formats"]["jpg"] > 2000
    assert sizes["large"]["formats"]["jpg"] is None
    assert 'loading="lazy"' in told["html"]
    assert 'width="200" height="300"' in told["html"]


async def test_without_a_cover_the_page_offers_to_send_one(server: Running) -> None:
    """An item without a cover is a 404 for programs and says to people what catalogues get."""
    got = await server.get(f"/item/isbn/{UNCOVERED}", Accept=HTML)

    assert got.status == 404
    assert f'href="/upload/isbn/{UNCOVERED}"' in got.body.decode()


async def test_people_walk_from_the_home_page_to_an_item(server: Running, tab: Page, tmp_path: Path) -> None:
    """Search, cover, links; no barrier, no sideways scrolling, nothing that moves while the cover loads."""
    assert CLASSICS[0].isbns[0] == COVERED
    for width, is_dark in ((390, False), (1280, True)):
        await tab.resize(width, 900)
        await tab.darken(is_dark)
        await tab.open(f"{server.listeners.url}/")
        await tab.fill("#find", "978-0-14-143951-8")
        await tab.click(".find button")
        assert "978-0-14-143951-8" in await tab.text("h1")
        assert await tab.ask("document.querySelector('.large img').decode().then(i => true)")
        assert await tab.ask("document.documentElement.scrollWidth <= window.innerWidth")
        assert await tab.barriers() == []
        links = await tab.ask("[...document.querySelectorAll('.item a')].map(a => a.getAttribute('href'))")
        assert f"/report/isbn/{COVERED}" in links
        await tab.picture(tmp_path / f"item-{width}.png")


async def test_pictures_on_pages_have_their_version(server: Running) -> None:
    """Browsers keep them for a year, and see a new picture at once; addresses to copy name no version."""
    told = orjson.loads((await server.get(f"/item/isbn/{COVERED}", Accept="application/json")).body)
    usage = orjson.loads((await server.get(f"/devkey/{server.key.name}/usage?isbn={COVERED}")).body)
    home = orjson.loads((await server.get(f"/?isbn={COVERED}", Accept="application/json")).body)
    for size in (told["sizes"][0], usage["tried"]["sizes"][0], home["tried"]["sizes"][0]):
        got = await server.get(size["shown"], Sec_Fetch_Site="same-origin")
        version = got.headers["ETag"].strip('"').partition("-")[0]
        assert size["shown"].endswith(f"?v={version}")
        assert "immutable" in got.headers["Cache-Control"]
        assert "?v=" not in size["url"]
    tried = home["tried"]["sizes"][0]["shown"].partition("?")[0]
    other = await server.get(f"{tried}?v=1", Sec_Fetch_Site="same-origin")
    assert other.headers["Cache-Control"] == "private, max-age=60"
