"""A visitor of the pages without a browser: keeps cookies, and sends forms with the token that they hold."""

import re
from collections.abc import Mapping

import aiohttp
from conftest import Got, Running

_TOKEN = re.compile(r'name="form_token" value="([\w-]+)"')


class Visitor:
    """Somebody with a browser's cookies and Accept header."""

    def __init__(self, server: Running | None, url: str = "") -> None:
        self._url = url or (server.listeners.url if server else "")  # or that of a web server in front
        # "unsafe": cookies for an IP address too, as browsers keep them
        self.client = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> "Visitor":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.client.close()

    async def get(self, path: str, **headers: str) -> Got:
        """Open a page."""
        return await self._ask("GET", path, None, headers)

    async def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Got:
        """Send fields as they are."""
        return await self._ask("POST", path, fields, headers)

    async def submit(
        self, page: str, fields: Mapping[str, str], to: str | None = None, **headers: str
    ) -> Got:
        """Open *page* and send its form, to itself unless told otherwise."""
        text = (await self.get(page, **headers)).body.decode()
        found = _TOKEN.search(text)
        token = found[1] if found else ""
        return await self.post(to or page.partition("?")[0], {**fields, "form_token": token}, **headers)

    async def _ask(
        self, method: str, path: str, fields: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> Got:
        sent = {"Accept": "text/html"} | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, self._url + path, data=fields, headers=sent) as response:
            return Got(response.status, response.headers, await response.read())
