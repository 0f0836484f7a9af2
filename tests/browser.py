"""A real Chromium, driven over its DevTools protocol: open a page, ask it things, take its picture."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from services import program

# Without these a headless Chromium looks for its maker's hosts at every start.
_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


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
            message = await self._socket.receive_json(timeout=30)
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]

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
        for _ in range(200):
            state = await self.ask("document.readyState + ' ' + location.href")
            if state.startswith("complete") and not state.endswith("about:blank"):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{url} did not load")

    async def picture(self, path: Path) -> None:
        """Save what the page looks like as a PNG."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.asynccontextmanager
async def browser(folder: Path, *arguments: str) -> AsyncIterator[Page]:
    """Start Chromium with a profile of its own in *folder*, and yield its tab."""
    binary = program("chromium", "chromium-browser", "google-chrome")
    command = [binary, *_QUIET, f"--user-data-dir={folder}", *arguments, "about:blank"]
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=null, stderr=null)
    try:
        port = await _port(folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{port}/json") as response:
                tab = next(each for each in await response.json() if each["type"] == "page")
            async with client.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        process.terminate()
        await process.wait()


async def _port(file: Path) -> int:
    for _ in range(600):
        with contextlib.suppress(OSError, IndexError, ValueError):
            return int(file.read_text().splitlines()[0])
        await asyncio.sleep(0.05)
    raise AssertionError("Chromium did not start")
