"""Walks in Chromium: a newcomer, a librarian, an operator; on a phone in light, on a desk in the dark."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from browser import Page
from conftest import COVERED, UNCOVERED, Running
from demonstration import TOKEN, demonstration, fill_lists, use

SCREENS = pytest.mark.parametrize("screen", [(390, 844, False), (1280, 800, True)], ids=["phone", "desk"])

_LOADED = """
document.querySelectorAll('img').forEach(each => each.loading = 'eager');
Promise.all([...document.images].map(each => each.decode().catch(() => 0))).then(() => true)
"""


@pytest.fixture
async def demo(tmp_path: Path, stocked: Path, drawn: Path) -> AsyncIterator[Running]:
    """The demonstration, with a login."""
    async with demonstration(tmp_path / "data", stocked, drawn) as server:
        yield server


async def begin(tab: Page, screen: tuple[int, int, bool]) -> None:
    """Give the tab its screen, and watch what moves from the first moment of each page."""
    await tab.resize(*screen[:2])
    await tab.darken(screen[2])
    await tab.watch()


async def sound(tab: Page) -> None:
    """Assert that nothing on the page moved or scrolls sideways, and that axe finds no barrier."""
    assert await tab.ask(_LOADED)
    where = await tab.ask("location.pathname")
    assert await tab.ask("document.documentElement.scrollWidth <= window.innerWidth"), where
    assert (await tab.seen())[0] == 0, where
    assert await tab.barriers() == [], where


async def press(tab: Page, key: str, code: int, **more: str) -> None:
    for kind in ("keyDown", "keyUp"):
        await tab.call(
            "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more
        )


async def tab_to(tab: Page, selector: str) -> None:
    """Press Tab until *selector* has the focus, which shows."""
    for _ in range(60):
        await press(tab, "Tab", 9)
        if await tab.ask(f"document.activeElement.matches({selector!r})"):
            assert await tab.ask("getComputedStyle(document.activeElement).outlineStyle != 'none'")
            return
    raise AssertionError(f"Tab never reaches {selector}")


async def enter(tab: Page, there: str) -> None:
    """Press Enter, and wait for a page on which *there* holds."""
    await press(tab, "Enter", 13, text="\r")
    await tab.until(f"document.readyState == 'complete' && ({there})")


@SCREENS
async def test_a_newcomer_finds_a_cover_and_gets_a_key(
    demo: Running, tab: Page, screen: tuple[int, int, bool]
) -> None:
    """By keyboard alone and without scripts: search, the item, a key, and the cover that it shows."""
    await begin(tab, screen)
    await tab.open(f"{demo.listeners.url}/")
    await sound(tab)
    await tab.call("Emulation.setScriptExecutionDisabled", value=True)
    await tab.open(f"{demo.listeners.url}/")
    assert await tab.ask("document.documentElement.scrollHeight") <= 6000
    await tab_to(tab, "#find")
    await tab.call("Input.insertText", text="978-0-14-143951-8")
    await enter(tab, f"location.pathname == '/item/isbn/{COVERED}'")
    await tab_to(tab, "nav a[href='/keys']")
    await enter(tab, "location.pathname == '/keys'")
    await tab_to(tab, "#label")
    await tab.call("Input.insertText", text="Parish library")
    await tab_to(tab, "#contact")
    await tab.call("Input.insertText", text="books@parish.example")
    await enter(tab, "location.pathname == '/keys/given'")
    shown = await tab.ask("document.querySelector('#url').textContent")
    await tab.call("Emulation.setScriptExecutionDisabled", value=False)
    await tab.open(f"{demo.listeners.url}/keys")
    await sound(tab)
    await tab.open(f"{demo.listeners.url}/item/isbn/{COVERED}")
    await sound(tab)
    assert (await demo.get(shown.removeprefix(demo.listeners.url))).cover in ("made", "hit")


@SCREENS
async def test_a_librarian_sees_a_list_and_what_the_key_did(
    demo: Running, tab: Page, screen: tuple[int, int, bool]
) -> None:
    """A list becomes a gallery and a sheet; the usage page tells days, sizes, and what has no cover."""
    await asyncio.to_thread(use, demo)
    await begin(tab, screen)
    await tab.open(f"{demo.listeners.url}/batch?key={demo.key.name}")
    await sound(tab)
    await tab.fill("#list", f"{COVERED} Pride and Prejudice\n{UNCOVERED} Gulliver\nnonsense")
    await tab.click("button[value=gallery]")
    await sound(tab)
    await tab.click("button[value=sheet]")
    assert await tab.ask("document.querySelectorAll('.page img').length") == 1
    await tab.open(f"{demo.listeners.url}/devkey/{demo.key.name}/usage")
    await sound(tab)
    assert UNCOVERED in await tab.text("[aria-labelledby=lacking]")
    assert "librarything" in await tab.text("[aria-labelledby=kinds]")


@SCREENS
async def test_an_operator_sees_what_waits(demo: Running, tab: Page, screen: tuple[int, int, bool]) -> None:
    """Login, what waits, a key approved, what is wanted, the status with its incident: each page is sound."""
    await asyncio.to_thread(use, demo)
    waiting = await demo.new_key(label="Waits", is_waiting=True)
    await begin(tab, screen)
    await tab.open(f"{demo.listeners.url}/admin")
    await sound(tab)
    await tab.fill("#token", TOKEN)
    await tab.click("form.sheet button")
    await sound(tab)
    await tab.click(".waits .some a")
    await sound(tab)
    await tab.click(".keys button[value=approve]")
    assert (await demo.get(demo.path(key=waiting.name))).status == 200
    report = await fill_lists(demo)
    lists = ("/admin/wanted", "/admin/review", "/admin/reports", f"/admin/book?isbn={COVERED}", "/admin/keys")
    for path in (*lists, "/admin/new-key", report, f"/item/isbn/{UNCOVERED}", "/nothing/here", "/status"):
        await tab.open(demo.listeners.url + path)
        await sound(tab)
    assert "answers failed" in await tab.text("[aria-labelledby=incidents]")
