"""Sends notices: mail and signed webhooks, each once, and again where it failed."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import orjson

from coverproxy import log
from coverproxy.domain import schemes
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.notice import Addressee, Delivery, Notice, NoticeKind, Way
from coverproxy.domain.original import OriginalState
from coverproxy.mail.letters import Desk, letter
from coverproxy.mail.smtp import MailRefused, MailServer, MailUnavailable
from coverproxy.originals.base import Catalogue
from coverproxy.service.webhooks import Receiver, signed
from coverproxy.sources.base import SourceUnavailable

_log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often each process looks for notices that are due: one short query for each way."""

_FIRST_WAIT, _LONGEST_WAIT = 30, 6 * 3600
"""Seconds between tries: doubled with each failure."""

GIVEN_UP_SECONDS = 3 * 86_400
"""A notice that nobody took for so long is given up."""

KEPT_SECONDS = 40 * 86_400
"""How long sent notices are remembered, so that none is sent twice."""

_MARGIN_SECONDS = 60
"""How much longer than a try a process holds a notice: if it dies, another goes on after that."""

_AGAIN_SECONDS = 10.0
"""After a mail server did not answer, this process leaves it alone for so long."""


class NoticeSender:
    """Sends one letter or request. `mail`: None without a mail server."""

    def __init__(
        self, mail: MailServer | None, desk: Desk, receivers: Mapping[str, Receiver],
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._mail, self._desk = mail, desk
        self._receivers = receivers
        self._now = now
        self._again_at = float("-inf")

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways that there are."""
        return ((Way.MAIL,) if self._mail else ()) + ((Way.HOOK,) if self._receivers else ())

    def rests(self, way: Way) -> bool:
        """Whether the mail server did not answer just now, and is left alone for a moment."""
        return way is Way.MAIL and time.monotonic() < self._again_at

    async def send(self, deliveries: Sequence[Delivery]) -> tuple[str, bool]:
        """Send to one addressee; return why it was not taken, or "", and whether it never will be."""
        if deliveries[0].to.way is Way.HOOK:
            return await self._post(deliveries[0]), False
        if self._mail is None:
            return "there is no mail server now", False
        try:
            made = letter(self._desk, deliveries)
            await asyncio.to_thread(self._mail.send, made, deliveries[0].to.whom)
        except MailRefused as exc:
            return str(exc), True
        except MailUnavailable as exc:
            self._again_at = time.monotonic() + _AGAIN_SECONDS
            return str(exc), False
        except (ValueError, LookupError) as exc:  # a row that is not ours, or an address that is none
            return f"it cannot be written: {exc}", True
        return "", False

    async def _post(self, delivery: Delivery) -> str:
        receiver = self._receivers.get(delivery.to.whom)
        if receiver is None:
            return f"there is no webhook {delivery.to.whom!r} now that is told of notices"
        now, body = int(self._now()), orjson.dumps(told(delivery.notice))
        try:
            status = await receiver.sender.post(
                body, signed(receiver.secret, f"{receiver.name}-notice-{delivery.number or now}", now, body)
            )
        except SourceUnavailable as exc:
            return str(exc)
        return "" if 200 <= status < 300 else f"it answered {status}; expected 2xx"


class Notices:
    """Sends the notices on the list. `now`: returns seconds since 1970. `seconds`: time limit of a try.

    Where each notice is, and when it is tried again, is in the catalogue's database: one process of all nodes
    sends it at a time. It may arrive twice only if a process died right after sending it.
    """

    def __init__(
        self, catalogue: Catalogue, sender: NoticeSender, operators: Sequence[Addressee], seconds: float,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._catalogue, self._sender = catalogue, sender
        self._operators = operators
        self._seconds = seconds
        self._now = now
        self._tidied_at = float("-inf")

    async def run(self) -> None:
        """Run forever; nothing waits for it."""
        await asyncio.gather(*map(self._serve, self._sender.ways))

    async def _serve(self, way: Way) -> None:
        while True:
            try:
                while await self.round(way):
                    pass
                await self._tidy()
            except (StoreUnavailable, OSError) as exc:
                log.fault(_log, "notices cannot be read", exc)
            await asyncio.sleep(LOOK_SECONDS)

    async def round(self, way: Way) -> bool:
        """Send the next letter or request, if one is due; return whether it was taken."""
        if self._sender.rests(way):
            return False
        notices, now = self._catalogue.notices, int(self._now())
        until = now + int(self._seconds) * 4 + _MARGIN_SECONDS
        claimed = await asyncio.to_thread(notices.claim, way, now, until)
        if not claimed:
            return False
        numbers = [each.number for each in claimed]
        if await asyncio.to_thread(self._is_moot, claimed[0]):
            await asyncio.to_thread(notices.end, numbers, now, "no longer of interest")
            return True
        why, is_final = await self._sender.send(claimed)
        if not why:
            await asyncio.to_thread(notices.end, numbers, int(self._now()))
            return True
        await self._failed(claimed, why, is_final=is_final or now - claimed[0].notice.at > GIVEN_UP_SECONDS)
        return is_final

    async def direct(self, notice: Notice) -> bool:
        """Tell the operators without the list, once; return whether somebody took it."""
        whys = [(await self._sender.send([Delivery(0, notice, each)]))[0] for each in self._operators]
        for each, why in zip(self._operators, whys, strict=True):
            if why:
                log.fault(_log, "a notice was not taken", why, of=each.way, kind=notice.kind.value)
        return "" in whys

    async def _failed(self, claimed: Sequence[Delivery], why: str, *, is_final: bool) -> None:
        notices, now, first = self._catalogue.notices, int(self._now()), claimed[0]
        numbers, kind = [each.number for each in claimed], first.notice.kind.value
        if is_final:
            log.fault(_log, "a notice is given up", why, of=str(first.number), kind=kind)
            await asyncio.to_thread(notices.end, numbers, now, why)
            return
        wait = min(_FIRST_WAIT << min(first.failures, 20), _LONGEST_WAIT)
        log.fault(
            _log, "a notice was not taken", why, of=first.to.way, failures=first.failures + 1, kind=kind
        )
        await asyncio.to_thread(notices.postpone, numbers, now + wait, why)

    def _is_moot(self, delivery: Delivery) -> bool:
        """Whether a picture that waited for a review was shown or taken back meanwhile."""
        facts = delivery.notice.facts
        if delivery.notice.kind is not NoticeKind.UPLOAD_PENDING or delivery.to.is_digest:
            return False
        found = self._catalogue.of_item(schemes.read(facts["item"]).identifiers[0])
        return not any(
            each.digest.hex() == facts["digest"] and each.state is OriginalState.PENDING for each in found
        )

    async def _tidy(self) -> None:
        if time.monotonic() - self._tidied_at > 3600:
            self._tidied_at = time.monotonic()
            await asyncio.to_thread(self._catalogue.notices.forget, int(self._now()) - KEPT_SECONDS)


def told(notice: Notice) -> dict[str, object]:
    """Return a notice as webhooks get it."""
    return {"type": f"notice.{notice.kind}", "at": notice.at, "data": dict(notice.facts)}
