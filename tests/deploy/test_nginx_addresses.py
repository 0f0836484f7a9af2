"""What nginx asks the app for is what the client asked nginx for, wherever it looked for a hit before."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from conftest import COVERED
from ending import end
from fronting import fronted
from running import data
from stdnum import isbn as stdnum_isbn

__all__ = ["data"]  # a fixture

KEY = "/devkey/cp_nosuchkeynosuchkey"
TEN = stdnum_isbn.to_isbn10(COVERED)
HITS = (
    f"{KEY}/medium/isbn/{COVERED}", f"{KEY}/medium/isbn/{TEN}.jpg?default=404&title=A%20b",
    f"{KEY}/small/isbn/{COVERED}?v=0123abcd", f"{KEY}/medium/oclc/1234", f"{KEY}/medium/doi/10.1000/x=2f%2F1",
    f"{KEY}/b/isbn/{COVERED}-M.jpg?default=false", f"{KEY}/images/P/{TEN}.01.MZZZZZZZ.jpg",
    f"/{KEY}//medium/isbn/%39{COVERED[1:]}", f"{KEY}/large/../medium/isbn/{COVERED}", f"/x{KEY}?a=/by-key/b",
)  # fmt: skip


@pytest.fixture
async def app() -> AsyncIterator[str]:
    """An app that says which address it was asked for."""

    async def say(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.method} {request.raw_path}")

    made = web.Application()
    made.router.add_route("*", "/{path:.*}", say)
    runner = web.AppRunner(made)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield "http://{}:{}".format(*runner.addresses[0])
    await end(runner)


async def _said(front: str, method: str, target: str) -> str:
    """Ask with a request line of that target; return the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(front).port)
    sent = f"{method} {target} HTTP/1.1\r\nHost: x\r\nSec-Fetch-Dest: image\r\nConnection: close\r\n\r\n"
    writer.write(sent.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode().rpartition("\r\n\r\n")[2]


async def test_the_app_gets_the_address_byte_for_byte(app: str, data: Path, tmp_path: Path) -> None:
    """By GET and other methods, with escapes, slashes and dots as they came, and after http://host too."""
    async with fronted(data, app, tmp_path / "nginx") as front:
        for target in HITS:
            for method in ("GET", "DELETE"):
                assert await _said(front, method, target) == f"{method} {target}"
            assert await _said(front, "GET", f"http://x{target}") == f"GET {target}"
        assert await _said(front, "GET", "http://x") == "GET /"
