"""Webhooks: each receiver gets every change in order, again and again until it acknowledges it."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson

from coverproxy import log
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.originals.base import Catalogue
from coverproxy.service.changes_json import changes_since
from coverproxy.sources.base import SourceUnavailable

_log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often each worker looks for changes: one short query."""

_FIRST_WAIT, _LONGEST_WAIT = 5, 3600
"""Seconds between tries: doubled with each failure, up to an hour."""

_MARGIN_SECONDS = 30
"""How much longer than a request a worker holds a receiver: if it dies, another goes on after that."""

_PREFIX = "whsec_"


class Sends(Protocol):
    """Sends to one receiver."""

    async def post(self, body: bytes, headers: Mapping[str, str], /) -> int:
        """Return the answer's status. Raises SourceUnavailable."""
        ...


@dataclass(frozen=True)
class Receiver:
    """One receiver. `seconds`: its time limit. `most`: changes in one request."""

    name: str
    secret: bytes
    sender: Sends
    seconds: float
    most: int


def secret_of(text: str) -> bytes:
    """Return a secret's bytes: base64 after "whsec_" (standardwebhooks.com), else the text's own."""
    if text.startswith(_PREFIX):
        try:
            return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            pass
    return text.encode()


def signed(secret: bytes, name: str, at: int, body: bytes) -> dict[str, str]:
    """Return the headers of Standard Webhooks: the delivery's name, its time, and the HMAC of all."""
    digest = hmac.new(secret, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


class Webhooks:
    """Tells receivers of changes.

    Where each is, and when it is tried again, is in the catalogue's database: so one worker of all nodes
    tells it at a time, and a restart goes on where it was. A request may come twice, if its answer was lost.
    `now`: returns seconds since 1970.
    """

    def __init__(
        self, catalogue: Catalogue, receivers: tuple[Receiver, ...], now: Callable[[], float] = time.time
    ) -> None:
        self._catalogue = catalogue
        self._receivers = receivers
        self._now = now

    async def run(self) -> None:
        """Run forever; a fault of one receiver delays no other."""
        if not self._receivers:
            await asyncio.Event().wait()
        await asyncio.gather(*map(self._serve, self._receivers))

    async def _serve(self, receiver: Receiver) -> None:
        while True:
            try:
                while await self.round(receiver):
                    pass
            except (StoreUnavailable, OSError) as exc:
                log.fault(_log, "a webhook's changes cannot be read", exc, of=receiver.name)
            await asyncio.sleep(LOOK_SECONDS)

    async def round(self, receiver: Receiver) -> bool:
        """Tell a receiver the next changes, if there are any and it is this worker's turn; return whether it
        took them.
        """
        changed, now = self._catalogue.changed, int(self._now())
        until = now + int(receiver.seconds) + _MARGIN_SECONDS
        held = await asyncio.to_thread(changed.claim, receiver.name, now, until)
        if held is None:
            return False
        since, failures = held
        found = await asyncio.to_thread(changes_since, self._catalogue, since, receiver.most)
        body = orjson.dumps({"type": "covers.changed", "data": found})
        why = await self._send(receiver, f"{receiver.name}-{since}-{found['next']}", now, body)
        if why:
            wait = min(_FIRST_WAIT << min(failures, 20), _LONGEST_WAIT)
            log.fault(_log, "a webhook was not taken", why, of=receiver.name, failures=failures + 1)
            await asyncio.to_thread(changed.postpone, receiver.name, int(self._now()) + wait)
            return False
        await asyncio.to_thread(changed.move_cursor, receiver.name, found["next"])
        return True

    async def _send(self, receiver: Receiver, name: str, at: int, body: bytes) -> str:
        """Send; return why the receiver does not have it, or ""."""
        try:
            status = await receiver.sender.post(body, signed(receiver.secret, name, at, body))
        except SourceUnavailable as exc:
            return str(exc)
        return "" if 200 <= status < 300 else f"it answered {status}; expected 2xx"
