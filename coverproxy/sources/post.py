"""Posts to an address of the operator's: checked as a source's is, bounded, and never redirected."""

import asyncio
from collections.abc import Mapping

import aiohttp
from yarl import URL

from coverproxy.sources.address import checked_sockets
from coverproxy.sources.http import Manner, mapped_errors


class Poster:
    """Posts to one URL within *seconds*. MUST be made within a running loop.

    No cookies, no proxies from the environment. A redirect is an answer like any other: it could lead to
    where the operator did not mean.
    """

    def __init__(self, url: str, manner: Manner, seconds: float) -> None:
        self._url = URL(url)
        self._seconds = seconds
        connector = aiohttp.TCPConnector(
            limit=1, socket_factory=checked_sockets(manner.allowed, [self._url.port or 80])
        )
        self._session = aiohttp.ClientSession(
            connector=connector, headers={"User-Agent": manner.user_agent} | dict(manner.headers),
            cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, timeout=aiohttp.ClientTimeout(total=None),
        )  # fmt: skip

    async def post(self, body: bytes, headers: Mapping[str, str], /) -> int:
        """Send a body; return the answer's status. What comes after its head is not read.

        Raises SourceUnavailable if there is none in time, or the address may not be connected to.
        """
        with mapped_errors():
            async with (
                asyncio.timeout(self._seconds),
                self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                response.close()
                return response.status

    async def aclose(self) -> None:
        """Close the connection."""
        await self._session.close()
