"""Makes the pictures of the pages for README and docs: `.venv/bin/python tests/screens.py [FOLDER]`.

With a folder it takes every page on a phone and on a desk, in light and dark, to be looked at.
"""

import asyncio
import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

import pyvips
from browser import Chromium, Page
from conftest import COVERED, UNCOVERED, Running, configured, take_in
from demonstration import TOKEN, demonstration, fill_lists, use

from coverproxy.demo.classics import CLASSICS

DOCS = Path(__file__).parents[1] / "docs" / "screens"

PHONE, DESK_WIDE = (390, 844), (1280, 800)

SHOTS = (
    ("home", "/", DESK_WIDE, False),
    ("phone", "/", PHONE, True),
    ("item", f"/item/isbn/{COVERED}", DESK_WIDE, False),
    ("usage", "/devkey/KEY/usage", (1000, 900), False),
    ("status", "/status", (1000, 900), True),
    ("admin", "/admin", (1000, 900), False),
)
"""Each picture's name, page, screen, and whether it is dark."""

EVERY = (
    "/", f"/item/isbn/{COVERED}", "/keys", "/docs", "/batch", "/status", "/devkey/KEY/usage", "/item?q=abc",
    f"/report/isbn/{COVERED}", f"/upload/isbn/{COVERED}", "/admin", "/admin/keys", "/admin/new-key",
    "/admin/wanted", f"/item/isbn/{UNCOVERED}", "/nothing/here", "/devkey/unknown/usage",
    f"/admin/book?isbn={COVERED}", "/admin/service", "/admin/reports", "/admin/review",
)  # fmt: skip

_LOADED = """
document.querySelectorAll('img').forEach(each => each.loading = 'eager');
Promise.all([...document.images].map(each => each.decode().catch(() => 0))).then(() => true)
"""


async def shoot(tab: Page, server: Running, path: str, screen: tuple[int, int], *, is_dark: bool) -> None:
    """Show a page as it is once all covers are there."""
    await tab.resize(*screen)
    await tab.darken(is_dark)
    await tab.open(server.listeners.url + path.replace("KEY", server.key.name))
    await tab.ask(_LOADED)


async def log_in(tab: Page, server: Running) -> None:
    """Become an administrator."""
    await tab.open(f"{server.listeners.url}/admin")
    await tab.fill("#token", TOKEN)
    await tab.click("form.sheet button")


async def docs_pictures(tab: Page, server: Running) -> None:
    """Take those of README and docs."""
    for name, path, screen, is_dark in SHOTS:
        await shoot(tab, server, path, screen, is_dark=is_dark)
        file = DOCS / f"{name}.png"
        await tab.picture(file, whole=False)
        small = pyvips.Image.new_from_buffer(file.read_bytes(), "").pngsave_buffer(palette=True, effort=10)
        file.write_bytes(small)  # 256 colours: a third of the bytes, and one sees no difference


async def every_page(tab: Page, server: Running, folder: Path, report: str) -> None:
    """Take all pages in all ways, whole, and tell what moved and when the largest part showed."""
    await tab.watch()
    for path, screen, is_dark in itertools.product((*EVERY, report), (PHONE, DESK_WIDE), (False, True)):
        await shoot(tab, server, path, screen, is_dark=is_dark)
        name = path.strip("/").replace("/", "-").replace("?", "-") or "home"
        moved, largest = await tab.seen()
        sys.stdout.write(f"{name} {screen[0]}: moved {moved:.3f}, largest paint {largest:.0f} ms\n")
        await tab.picture(folder / f"{name}-{screen[0]}-{'dark' if is_dark else 'light'}.png")
    for screen in (PHONE, DESK_WIDE):
        await tab.resize(*screen)
        await list_pages(tab, server, folder)


async def list_pages(tab: Page, server: Running, folder: Path) -> None:
    """Take what a list becomes: a gallery, and a sheet."""
    text = "\n".join([f"{isbn} {book.title}" for book in CLASSICS for isbn in book.isbns[:1]][:9])
    await tab.open(f"{server.listeners.url}/batch?key={server.key.name}")
    await tab.fill("#list", f"{text}\n{UNCOVERED}\nnonsense")
    await tab.click("button[value=gallery]")
    width = await tab.ask("innerWidth")
    for button, name in (("sheet", "gallery"), ("", "sheet")):
        await tab.ask(_LOADED)
        await tab.picture(folder / f"list-{name}-{width}.png")
        if button:
            await tab.click(f"button[value={button}]")


async def take(top: Path, folder: Path | None) -> None:
    """Serve the demonstration from *top*, and take the pictures."""
    drawn, stocked = top / "drawn", top / "stocked"
    subprocess.run([sys.executable, "-m", "coverproxy.demo.draw", str(drawn)], check=True)  # noqa: ASYNC221
    take_in(configured(stocked), drawn)
    chromium = Chromium(top / "chromium")
    try:
        async with demonstration(top / "data", stocked, drawn) as server, chromium.tab() as tab:
            await asyncio.to_thread(use, server)
            for label in ("Parish library", "Town library"):
                await server.new_key(label=label, contact="books@library.example", is_waiting=True)
            await log_in(tab, server)
            await shoot(tab, server, "/", DESK_WIDE, is_dark=False)  # makes the covers
            report = await fill_lists(server) if folder else ""
            await (every_page(tab, server, folder, report) if folder else docs_pictures(tab, server))
    finally:
        chromium.close()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if target:
        target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="coverproxy-screens-", ignore_cleanup_errors=True) as top:
        asyncio.run(take(Path(top), target))
