"""In Chromium: a librarian puts a cover right, and a stranger reports it; the catalogue's image follows."""

import base64
import time
from dataclasses import dataclass
from pathlib import Path

import images
from browser import Chromium, Page
from conftest import BROWSER, UNCOVERED, Got, Running, Start
from fronting import before

TOKEN = "a token that nobody guesses"  # noqa: S105 - a test's
RED = images.jpeg(images.solid(images.RED, 640, 960))
BLUE = images.jpeg(images.solid(images.BLUE, 800, 1200))
WITHIN_SECONDS = 20.0
"""What is shown at once needs no time of its own; a cover is drawn anew meanwhile, on a busy machine."""

_CHOOSE = """(() => {
const data = new DataTransfer();
const bytes = Uint8Array.from(atob('%s'), each => each.charCodeAt(0));
data.items.add(new File([bytes], 'cover.jpg', {type: 'image/jpeg'}));
document.querySelector('#file').files = data.files;
})()"""
"""Puts a file into the form's field, as the picker does."""

_WIDTHS = "Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))"


@dataclass(frozen=True)
class Reached:
    """A service, and the address at which people reach it. `seconds`: how soon a change must show there."""

    server: Running
    url: str
    seconds: float = WITHIN_SECONDS


async def uploaded(tab: Page, at: Reached, body: bytes) -> None:
    """Send a picture as the administrator, see its sizes, and save it."""
    await tab.open(f"{at.url}/admin/upload/isbn/{UNCOVERED}")
    await tab.ask(_CHOOSE % base64.b64encode(body).decode())
    await tab.click("form.sheet button")
    assert await tab.ask(_WIDTHS) == [100, 200, 500]
    await tab.click("button[value=save]")


async def shows(at: Reached, colour: tuple[int, int, int] | None) -> None:
    """Assert that the catalogue's address shows a colour, or no cover, within the time that is promised."""
    end = time.monotonic() + at.seconds
    while True:
        got = await asked(at)
        is_cover = got.cover in ("made", "hit")
        if is_cover is (colour is not None) and (colour is None or is_of(got.body, colour)):
            return
        assert time.monotonic() < end, (got.cover, colour)


async def asked(at: Reached) -> Got:
    """Ask for the catalogue's image, as a browser does for a page."""
    url = at.url + at.server.path(UNCOVERED)
    async with at.server.client.get(url, headers=BROWSER) as response:
        return Got(response.status, response.headers, await response.read())


def is_of(body: bytes, colour: tuple[int, int, int]) -> bool:
    """Whether a picture has a colour in its middle."""
    pixels = images.decoded(body)
    middle = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]
    return all(abs(int(is_) - wanted) < 30 for is_, wanted in zip(middle, colour, strict=True))


async def decided(tab: Page, at: Reached, act: str) -> None:
    """Press a button on the administrator's page of the book: the first with that act."""
    await tab.open(f"{at.url}/admin/book?isbn={UNCOVERED}")
    await tab.click(f".originals button[value={act}], table button[value={act}]")


async def test_a_librarian_and_a_stranger_put_a_cover_right(
    start: Start, tab: Page, chromium: Chromium
) -> None:
    """Upload, upload a better one, hide, undo, restore: each shows at once; a report reaches the queue."""
    server = await start(admin={"token": TOKEN})
    await walked(Reached(server, server.listeners.url), tab, chromium)


async def test_the_same_through_nginx(start: Start, tab: Page, chromium: Chromium, tmp_path: Path) -> None:
    """Behind nginx, which keeps files open, each change shows after front.open_file_seconds."""
    server = await start(admin={"token": TOKEN}, front={"open_files": 100, "open_file_seconds": 2})
    more = {"open_files": 100, "open_file_seconds": 2}
    async with before(server, tmp_path / "nginx", **more) as url:
        await walked(Reached(server, url, WITHIN_SECONDS + 2), tab, chromium)


async def walked(at: Reached, tab: Page, chromium: Chromium) -> None:
    """Walk as the librarian, then as the stranger."""
    await tab.open(f"{at.url}/admin/login")
    await tab.fill("#token", TOKEN)
    await tab.click("form.sheet button")
    await shows(at, None)
    for body, colour in ((RED, images.RED), (BLUE, images.BLUE)):
        await uploaded(tab, at, body)
        await shows(at, colour)
    steps: tuple[tuple[str, tuple[int, int, int] | None], ...]
    steps = (("hide", None), ("undo", images.BLUE), ("hide", None), ("restore", images.BLUE))
    for act, shown in steps:
        await decided(tab, at, act)
        await shows(at, shown)
    async with chromium.tab() as stranger:
        await stranger.open(f"{at.url}/report/isbn/{UNCOVERED}")
        assert await stranger.ask("document.querySelector('main img').decode().then(() => true)")
        await stranger.ask("document.querySelector('input[value=wrong]').checked = true")
        await stranger.fill("#text", "It is another edition")
        await stranger.click("form.sheet button")
        assert "Somebody will look at it" in await stranger.text()
    await tab.open(f"{at.url}/admin/reports")
    assert "It is another edition" in await tab.text()
    await tab.click("button[value=hidden]")
    assert "Close this report?" in await tab.text("h1")
    await tab.click("button.danger")
    await shows(at, None)
