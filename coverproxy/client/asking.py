"""The client library for asyncio: covers, questions and uploads over a running service."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aiohttp
import orjson
from yarl import URL

from coverproxy import __version__
from coverproxy.client.classify import MAX_BODY_BYTES, ServerAnswer, form, seconds_to_wait
from coverproxy.client.errors import (
    InvalidIdentifier,
    PictureRefused,
    UnexpectedAnswer,
    Unreachable,
    error_of,
    is_passing,
)
from coverproxy.client.values import Cover, CoverInfo, Uploaded, info_of
from coverproxy.domain import schemes
from coverproxy.domain.api_key import abridged, is_secret
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.domain.errors import NotAnIdentifier, SecretAsKey
from coverproxy.domain.formats import Format

AGENT = f"coverproxy/{__version__} (library)"

MAX_AT_ONCE = 1000
"""Most identifiers that the service takes in one question."""

_JSON = "application/json"


class AsyncClient:
    """A client for one service and one key. Close it, or use it with `async with`.

    `base_url`: the service's address up to /devkey. `timeout`: seconds for one request. `tries`, `max_wait`:
    an answer that asks to wait (429, 503) is asked again as its Retry-After says, at most *tries* times and
    as long as all waits together stay below *max_wait* seconds. Identifiers are texts in any spelling that
    the service takes: an ISBN, or `scheme:value`.

    Every method raises KeyRefused, TryLater, Unreachable, UnexpectedAnswer.
    """

    def __init__(
        self, base_url: str, key: str, *, timeout: float = 60.0, tries: int = 5, max_wait: float = 60.0
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"base_url: {base_url!r} is not an address; expected https://covers.example.org")
        if not key.strip():
            raise ValueError("key: expected a developer key, got an empty text")
        if is_secret(key):
            raise ValueError(f"key: {SecretAsKey()}")
        if tries < 1 or timeout <= 0 or max_wait < 0:
            raise ValueError("expected tries of 1 or more, a timeout above 0, and a max_wait of 0 or more")
        self._key = key.strip()
        self._base = f"{base_url.rstrip('/')}/devkey/{quote(self._key, safe='')}"
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._tries = tries
        self._max_wait = max_wait
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if self._session:
            await self._session.close()
            self._session = None

    async def get(self, identifier: str, size: str = "medium", format: str = "jpg") -> Cover | None:
        """Return the cover; None if there is none.

        `size`: a name such as small, medium, large, w320. `format`: jpg, webp or avif; for one that is not
        ready the service sends a JPEG. Raises InvalidIdentifier, UnknownSize, QuotaExceeded.
        """
        wanted = Format(format).media_type
        accept = wanted if wanted == Format.JPEG.media_type else f"{wanted}, image/jpeg;q=0.5"
        path = f"/{quote(size, safe='')}/{_place(identifier)}?default=404"
        answer = await self._ask("GET", path, {"Accept": accept})
        if answer.label == CoverStatus.MISSING:
            return None
        found = form(answer.body) if answer.status == 200 and answer.label else None
        if found is None:
            raise error_of(answer, time.time())
        return Cover(answer.body, found.media_type, answer.label, answer.headers.get("ETag", ""))

    async def have(self, identifiers: Iterable[str]) -> dict[str, bool | None]:
        """Return for each identifier, as it was sent, whether it has a cover; None if it is invalid.

        Costs no quota. Any number: they are sent by the thousand.
        """
        wanted = list(dict.fromkeys(_listed(identifiers)))
        found: dict[str, bool | None] = {}
        for first in range(0, len(wanted), MAX_AT_ONCE):
            body = orjson.dumps({"isbns": wanted[first : first + MAX_AT_ONCE]})
            answer = await self._ask("POST", "/info", {"Content-Type": _JSON, "Accept": _JSON}, body)
            found |= _told(answer)
        return found

    async def info(self, identifiers: Iterable[str]) -> dict[str, CoverInfo]:
        """Return the details of each identifier, as it was sent; one request each. Costs no quota."""
        return {each: await self._about(each) for each in dict.fromkeys(_listed(identifiers))}

    async def _about(self, identifier: str) -> CoverInfo:
        try:
            place = _place(identifier)
        except InvalidIdentifier as exc:
            return CoverInfo(None, False, "invalid", str(exc), None, None, None, {})
        told = _told(await self._ask("GET", f"/info/{place}", {"Accept": _JSON}))
        try:
            return info_of(told)
        except (KeyError, TypeError) as exc:
            raise UnexpectedAnswer(f"the service's answer about {identifier[:60]!r} lacks {exc}") from exc

    async def upload(
        self, identifier: str, picture: Path | str | bytes, *, secret: str, **details: str
    ) -> Uploaded:
        """Send a cover: the path of a file, or its bytes.

        `secret`: the secret of the key's owner, or the admin token. `details`: as the API names them, such
        as licence="CC0", note="second edition". Repeating it after a lost answer does no harm: each call
        has its own Idempotency-Key. Raises InvalidIdentifier, NotTheOwner, PictureRefused, BadRequest,
        OSError.
        """
        body = picture if isinstance(picture, bytes) else await asyncio.to_thread(_read, Path(picture))
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in details.items())
        headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": uuid4().hex, "Accept": _JSON}
        told = _told(await self._ask("PUT", f"/original/{_place(identifier)}?{query}", headers, body))
        try:
            return Uploaded(told["status"], told["digest"], told)
        except KeyError as exc:
            raise UnexpectedAnswer(f"the service's answer to an upload lacks {exc}") from exc

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> ServerAnswer:
        """Ask until an answer is final. Raises TryLater, Unreachable."""
        left = self._max_wait
        for tried in range(self._tries):
            is_last = tried == self._tries - 1
            try:
                answer = await self._ask_once(method, path, headers, body)
            except (aiohttp.ClientError, TimeoutError) as exc:
                wait = 2.0**tried
                if is_last or wait > left:
                    raise Unreachable(self._why(exc)) from exc
            else:
                if not is_passing(answer):
                    return answer
                wait = seconds_to_wait(answer, tried, time.time())
                if is_last or wait > left:
                    raise error_of(answer, time.time())
            left -= wait
            await asyncio.sleep(wait)
        raise AssertionError("unreachable: the last try returns or raises")

    async def _ask_once(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> ServerAnswer:
        """Ask once. Addresses under /devkey never redirect, and a secret must not follow a redirect."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, headers={"User-Agent": AGENT})
        url = URL(self._base + path, encoded=True)
        async with self._session.request(
            method, url, headers=headers, data=body, allow_redirects=False
        ) as response:
            received = bytearray()
            async for chunk in response.content.iter_any():
                received += chunk
                if len(received) > MAX_BODY_BYTES:
                    raise UnexpectedAnswer(f"the answer is larger than {MAX_BODY_BYTES} bytes")
            return ServerAnswer(response.status, response.headers, bytes(received))

    def _why(self, exc: Exception) -> str:
        """Describe a failed request, with the key in its address abridged."""
        return (str(exc) or type(exc).__name__).replace(self._key, abridged(self._key))


def _listed(identifiers: Iterable[str]) -> Iterable[str]:
    """Return the identifiers: a single text is one of them, not a list of letters."""
    return [identifiers] if isinstance(identifiers, str) else identifiers


def _place(text: str) -> str:
    """Return the end of an address for an identifier. Raises InvalidIdentifier."""
    try:
        read = schemes.read(text).identifiers
    except NotAnIdentifier as exc:
        raise InvalidIdentifier(str(exc)) from exc
    # which of several readings is meant depends on which have covers: the service decides
    scheme, value = (read[0].scheme, read[0].value) if len(read) == 1 else (schemes.ISBN, text)
    return f"{quote(scheme, safe=':')}/{quote(value, safe='')}"


def _told(answer: ServerAnswer) -> dict[str, Any]:
    """Return the JSON object of a success. Raises ClientError for all other answers."""
    if answer.status not in (200, 201, 202):
        raise error_of(answer, time.time())
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError as exc:
        raise UnexpectedAnswer(f"the answer is not JSON: {exc}") from exc
    if not isinstance(told, dict):
        raise UnexpectedAnswer("the answer is not a JSON object")
    return told


def _read(path: Path) -> bytes:
    """Read a picture. Raises OSError, PictureRefused for a file that no service would take."""
    if path.stat().st_size > MAX_BODY_BYTES:
        raise PictureRefused(f"{path}: larger than {MAX_BODY_BYTES} bytes")
    return path.read_bytes()
