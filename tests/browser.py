"""A real Chromium, driven over its DevTools protocol: open a page, ask it things, take its picture."""

import asyncio
import base64
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp
from services import program

# Without these a headless Chromium looks for its maker's hosts at every start.
_QUIET = (
    "--headless",
    "--no-sandbox",
    "--hide-scrollbars",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)

# A busy machine paints a page half parsed, and a row that grows moves. So it counts what moves after that.
_WATCH = """
window.moved = 0; window.largest = 0; window.whole = Infinity;
addEventListener("DOMContentLoaded", () => requestAnimationFrame(() => requestAnimationFrame(() => {
    window.whole = performance.now();
})));
new PerformanceObserver(list => {
    for (const each of list.getEntries())
        if (!each.hadRecentInput && each.startTime > window.whole) window.moved += each.value;
}).observe({ type: "layout-shift", buffered: true });
new PerformanceObserver(list => {
    for (const each of list.getEntries()) window.largest = each.startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
"""


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a DevTools method and return its result."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=60)
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    async def ask(self, expression: str) -> Any:
        """Evaluate JavaScript in the page, waiting for a promise."""
        result = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def open(self, url: str) -> None:
        """Open *url* and wait until everything on it is loaded."""
        await self.call("Page.enable")
        await self.call("Page.navigate", url=url)
        for _ in range(900):
            state = await self.ask("document.readyState + ' ' + location.href")
            if state.startswith("complete") and not state.endswith("about:blank"):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{url} did not load")

    async def resize(self, width: int, height: int) -> None:
        """Give the page another size, in CSS px; one dot to a px."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **screen)

    async def darken(self, is_dark: bool = True) -> None:
        """Have the reader prefer dark pages, or light ones."""
        wish = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[wish])

    async def watch(self) -> None:
        """Have every page that is opened from now on note what moves, and when its largest part showed."""
        await self.call("Page.enable")
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)

    async def seen(self) -> tuple[float, float]:
        """Return what moved since the whole page was painted, and the ms until its largest part showed."""
        moved, largest = await self.ask("[window.moved, window.largest]")
        return float(moved), float(largest)

    async def fill(self, selector: str, text: str) -> None:
        """Write a text into a field."""
        await self.ask(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")

    async def click(self, selector: str) -> None:
        """Click what leads to another page, and wait until everything on that one is loaded."""
        await self.ask("window.isOld = true")
        await self.ask(f"document.querySelector({json.dumps(selector)}).click()")
        for _ in range(900):
            with contextlib.suppress(AssertionError):  # the page may go in the middle of a question
                if await self.ask("!window.isOld && document.readyState == 'complete'"):
                    return
            await asyncio.sleep(0.05)
        raise AssertionError(f"a click on {selector} led nowhere")

    async def until(self, condition: str) -> None:
        """Wait until a condition in JavaScript holds."""
        for _ in range(900):
            with contextlib.suppress(AssertionError):  # the page may go in the middle of a question
                if await self.ask(condition):
                    return
            await asyncio.sleep(0.05)
        raise AssertionError(f"it never became true: {condition}")

    async def text(self, selector: str = "main") -> str:
        """Return the text that shows."""
        return str(await self.ask(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def barriers(self, *rules: str) -> list[str]:
        """Return what axe finds: the rules (these, or all) that the page breaks, each with where it does."""
        if not await self.ask("typeof axe == 'object'"):
            await self.ask(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
        options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        found = await self.ask(
            f"axe.run(document, {json.dumps(options)}).then(found => found.violations.map("
            "each => each.id + ': ' + each.nodes.map(node => node.html.slice(0, 120)).join(' | ')))"
        )
        assert isinstance(found, list)
        return found

    async def picture(self, path: Path, *, whole: bool = True) -> None:
        """Save what the page looks like as a PNG: all of it, or what shows without scrolling."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    async def pdf(self, path: Path) -> bytes:
        """Save and return what the page looks like when it is printed, on the paper that it asks for."""
        printed = await self.call("Page.printToPDF", preferCSSPageSize=True)
        body = base64.b64decode(printed["data"])
        path.write_bytes(body)
        return body


class Chromium:
    """A Chromium that runs for many tests; each gets a tab with cookies of its own."""

    def __init__(self, folder: Path) -> None:
        binary = program("chromium", "chromium-browser", "google-chrome")
        command = [binary, *_QUIET, f"--user-data-dir={folder}", "about:blank"]
        null = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=null, stderr=null)
        self._folder = folder

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()

    @contextlib.asynccontextmanager
    async def tab(self) -> AsyncIterator[Page]:
        """Open a tab, as wide as a desk's screen."""
        port = await _port(self._folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{port}/json/version") as response:
                whole = (await response.json())["webSocketDebuggerUrl"]
            async with client.ws_connect(whole, max_msg_size=0) as socket:
                browser = Page(socket)
                context = (await browser.call("Target.createBrowserContext"))["browserContextId"]
                made = await browser.call("Target.createTarget", url="about:blank", browserContextId=context)
                url = f"ws://127.0.0.1:{port}/devtools/page/{made['targetId']}"
                async with client.ws_connect(url, max_msg_size=0) as tab:
                    page = Page(tab)
                    await page.resize(1100, 900)
                    yield page
                await browser.call("Target.disposeBrowserContext", browserContextId=context)


async def _port(file: Path) -> int:
    for _ in range(600):
        with contextlib.suppress(OSError, IndexError, ValueError):
            return int(file.read_text().splitlines()[0])
        await asyncio.sleep(0.05)
    raise AssertionError("Chromium did not start")
