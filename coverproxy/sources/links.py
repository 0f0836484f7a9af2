"""Links of feeds, fetched for threads: from listed hosts alone, one after the other, and bounded."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from coverproxy.domain import http_date
from coverproxy.sources.address import checked_sockets
from coverproxy.sources.base import SourceUnavailable, Validators
from coverproxy.sources.http import MOST_REDIRECTS, FetchBounds, Manner, mapped_errors, next_address
from coverproxy.sources.rules import REDIRECTS

T = TypeVar("T")

_CHUNK = 65_536


class LinkRefused(Exception):
    """An address that is not fetched, or that has nothing for us. `reason`: a word for programs."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def is_listed(url: URL, hosts: Collection[str]) -> bool:
    """Say whether a URL's host is one of *hosts*: "example.org", "*.example.org" (all below), "host:80"."""
    host, port = (url.host or "").lower(), url.port
    for each in hosts:
        name, _, wanted = each.lower().partition(":")
        if port != (int(wanted) if wanted else {"http": 80, "https": 443}.get(url.scheme)):
            continue
        if host == name or (name.startswith("*.") and host.endswith(name[1:])):
            return True
    return False


class LinkFetcher:
    """Fetches what feeds link to. Any thread may call; the requests run on a loop in a thread of its own.

    `hosts`: whose addresses are fetched, also after redirects. `per_second`: requests to one host. `bounds`
    counts for each request.
    """

    def __init__(
        self,
        hosts: Collection[str],
        bounds: FetchBounds,
        manner: Manner,
        per_second: float = 1.0,
        resolver: Callable[[], AbstractResolver] | None = None,
    ) -> None:
        self._hosts = hosts
        self._bounds = bounds
        self._manner = manner
        self._per_second = per_second
        self._resolver = resolver
        self._next: dict[str, float] = {}
        self._loop: asyncio.AbstractEventLoop
        self._session: aiohttp.ClientSession

    @contextmanager
    def running(self) -> Iterator["LinkFetcher"]:
        """Have the loop and its session for a while."""
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        thread.start()
        try:
            self._session = self._run(self._open())
            yield self
        finally:
            self._run(self._session.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def get(self, address: str, most: int) -> tuple[bytes, int | None]:
        """Fetch a picture: its bytes, at most one more than *most*, and its time in seconds since 1970.

        Raises LinkRefused.
        """
        body = bytearray()

        async def keep(chunk: bytes) -> None:
            body.extend(chunk)

        said = self._run(self._fetch(address, None, most, keep))
        return bytes(body), None if said is None else _seconds(said.modified)

    def save(self, address: str, path: Path, most: int, known: Validators | None) -> Validators | None:
        """Fetch a file to *path*, which is there whole or not at all; None where it has not changed.

        Raises LinkRefused, OSError.
        """
        beside = path.with_name(path.name + ".part")
        try:
            with beside.open("wb") as file:

                async def keep(chunk: bytes) -> None:
                    await asyncio.to_thread(file.write, chunk)

                said = self._run(self._fetch(address, known, most, keep))
                if said is None:
                    return None
                if file.tell() > most:
                    raise LinkRefused("bytes", f"more than {most} bytes")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        return said

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> aiohttp.ClientSession:
        ports = {80, 443} | {int(each.rpartition(":")[2]) for each in self._hosts if ":" in each}
        idle = self._bounds.idle_seconds
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._bounds.connections, socket_factory=checked_sockets(self._manner.allowed, ports),
                resolver=self._resolver() if self._resolver else None,
            ),
            headers={"User-Agent": self._manner.user_agent, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=idle, sock_read=idle),
        )  # fmt: skip

    async def _fetch(
        self,
        address: str,
        known: Validators | None,
        most: int,
        keep: Callable[[bytes], Coroutine[Any, Any, None]],
    ) -> Validators | None:
        try:
            with mapped_errors():
                async with asyncio.timeout(self._bounds.seconds):
                    return await self._follow(_read(address), known, most, keep)
        except SourceUnavailable as exc:
            raise LinkRefused("fetch", str(exc)) from None

    async def _follow(
        self,
        url: URL,
        known: Validators | None,
        most: int,
        keep: Callable[[bytes], Coroutine[Any, Any, None]],
    ) -> Validators | None:
        headers = dict(self._manner.headers)
        if known and known.etag:
            headers["If-None-Match"] = known.etag
        if known and known.modified:
            headers["If-Modified-Since"] = known.modified
        for _ in range(MOST_REDIRECTS + 1):
            if not is_listed(url, self._hosts):
                raise LinkRefused("host", f"{url.authority} is not among the hosts that are listed")
            await self._wait(url.authority)
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status not in REDIRECTS:
                    return await _judge(response, most, keep)
                headers = {}  # they may hold a secret, and are for the first host
                url = next_address(url, response.headers.get("Location", ""))
        raise LinkRefused("fetch", f"more than {MOST_REDIRECTS} redirects")

    async def _wait(self, host: str) -> None:
        """Wait for this host's next turn."""
        now = time.monotonic()
        turn = max(now, self._next.get(host, 0.0))
        self._next[host] = turn + 1 / self._per_second
        await asyncio.sleep(turn - now)


def _read(address: str) -> URL:
    try:
        url = URL(address)
    except ValueError:
        raise LinkRefused("address", "it is not an address") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise LinkRefused("address", f"{url.scheme or 'no'} addresses are not fetched; http and https are")
    return url.with_user(None).with_fragment(None)


async def _judge(
    response: aiohttp.ClientResponse, most: int, keep: Callable[[bytes], Coroutine[Any, Any, None]]
) -> Validators | None:
    if response.status == 304:
        return None
    if response.status != 200:
        raise LinkRefused("fetch", f"the host answered {response.status}")
    if (response.content_length or 0) > most:
        raise LinkRefused("bytes", f"{response.content_length} bytes, at most {most} are read")
    size = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        size += len(chunk)
        await keep(chunk)
        if size > most:
            break
    return Validators(response.headers.get("ETag"), response.headers.get("Last-Modified"))


def _seconds(modified: str | None) -> int | None:
    moment = http_date.seconds(modified)
    return None if moment is None else int(moment)
