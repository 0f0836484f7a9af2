"""A source over HTTP: one GET per ISBN, without anything from the client that asked."""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from coverproxy.domain.spec import Identifier
from coverproxy.domain.url_template import Template
from coverproxy.sources.address import REFUSED_ERRNO, Network, checked_sockets
from coverproxy.sources.base import Answer, NotThere, SourceUnavailable, Validators
from coverproxy.sources.rules import REDIRECTS, Missing, judged_by_body, judged_by_head

MOST_REDIRECTS = 3
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class FetchBounds:
    """Limits of one request: seconds in all, seconds without a byte, connections at once, bytes of a body."""

    seconds: float
    idle_seconds: float
    connections: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Manner:
    """How requests are made: our User-Agent, the operator's headers, addresses opened for this source."""

    user_agent: str
    headers: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[Network, ...] = ()


class HttpSource:
    """See Source. MUST be made within a running loop; `resolver` None is the system's.

    Sends a GET with Host, User-Agent, Accept, Accept-Encoding: identity, the operator's headers and, for a
    known original, If-None-Match and If-Modified-Since; never a Referer, a cookie, an address or a language.
    Proxies from the environment are not used: they would connect to any address for us.
    """

    def __init__(
        self,
        name: str,
        template: Template,
        missing: Missing,
        bounds: FetchBounds,
        manner: Manner,
        resolver: AbstractResolver | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._template = template
        self._missing = missing
        self._bounds = bounds
        self._own_headers = dict(manner.headers)
        self._now = now
        ports = _ports(URL(template.text, encoded=True))
        self._session = _session(bounds, manner.user_agent, checked_sockets(manner.allowed, ports), resolver)

    async def fetch(self, identifier: Identifier, known: Validators | None) -> Answer:
        """See Source."""
        filled = self._template.fill(identifier)
        if filled is None:
            return NotThere("it has no ISBN of the form that this source needs")
        if self._session.closed:
            raise SourceUnavailable("closed")
        with mapped_errors():
            # in all, including redirects: a sender of one byte a second is never idle
            async with asyncio.timeout(self._bounds.seconds):
                return await self._follow(URL(filled, encoded=True), _conditions(known))

    async def _follow(self, url: URL, conditions: dict[str, str]) -> Answer:
        """Request, following redirects by hand.

        Other hosts do not get the operator's headers: they hold secrets.
        """
        origin = url.origin()
        for _ in range(MOST_REDIRECTS + 1):
            headers = conditions | (self._own_headers if url.origin() == origin else {})
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status not in REDIRECTS:
                    return await self._judge(response, is_conditional=bool(conditions))
                address = response.headers.get("Location", "")
            if self._missing.leads_nowhere(address):
                return NotThere("it redirects to its page for missing covers")
            url = next_address(url, address)
        raise SourceUnavailable("redirect", f"more than {MOST_REDIRECTS}")

    async def _judge(self, response: aiohttp.ClientResponse, *, is_conditional: bool) -> Answer:
        headers = response.headers
        answer = judged_by_head(
            response.status, headers, self._missing, self._now(), is_conditional=is_conditional
        )
        if answer is not None:
            return answer
        most = self._bounds.bytes
        if (response.content_length or 0) > most:
            return NotThere(f"more than {most} bytes")
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > most:
                return NotThere(f"more than {most} bytes")
        return judged_by_body(bytes(body), headers, self._missing)

    async def aclose(self) -> None:
        """See Source."""
        await self._session.close()


def _session(
    bounds: FetchBounds, agent: str, sockets: aiohttp.SocketFactoryType, resolver: AbstractResolver | None
) -> aiohttp.ClientSession:
    idle = bounds.idle_seconds
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=bounds.connections, resolver=resolver, socket_factory=sockets),
        headers={
            "User-Agent": agent,
            "Accept": "image/*",
            "Accept-Encoding": "identity",  # avoids small bodies that unpack to gigabytes
        },
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=idle, sock_read=idle),
    )


def _ports(url: URL) -> set[int]:
    """Return the ports open on hosts that the operator allowed: the URL's; 443 besides 80."""
    return {443, 80} if url.port == 80 else {url.port or 0}


def _conditions(known: Validators | None) -> dict[str, str]:
    """Return the headers of a conditional request (RFC 9110 §13.1.2, §13.1.3)."""
    if known is None:
        return {}
    both = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
    return {name: value for name, value in both.items() if value}


def next_address(url: URL, address: str) -> URL:
    """Return the target of a redirect. Raises SourceUnavailable if it must not be followed."""
    try:
        following = url.join(URL(address))
    except ValueError:
        raise SourceUnavailable("redirect", "to an invalid address") from None
    if not address or following.scheme not in ("http", "https") or not following.host:
        raise SourceUnavailable("redirect", "to an address that is not http or https")
    if url.scheme == "https" and following.scheme == "http":
        raise SourceUnavailable("redirect", "from https to http")
    return following.with_user(None).with_fragment(None)


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Map errors to SourceUnavailable. A URL may contain a secret, so no text of one gets out."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as exc:  # TimeoutError is an OSError
        raise _meaning(exc) from None


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timeout"),
    (ssl.SSLError, "tls"),
    (aiohttp.ClientSSLError, "tls"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.ClientPayloadError, "cut"),
    (aiohttp.ClientError, "protocol"),
    (ConnectionError, "protocol"),
)
"""The first match counts; without a match it is our own fault."""


def _meaning(exc: Exception) -> SourceUnavailable:
    if isinstance(exc, aiohttp.ClientConnectorError) and exc.os_error.errno == REFUSED_ERRNO:
        return SourceUnavailable("address", str(exc.os_error.strerror))
    reason = next((word for kind, word in _REASONS if isinstance(exc, kind)), "fault")
    return SourceUnavailable(reason, type(exc).__name__)
