"""Revalidates originals with their sources in the background, and removes those that may not stay."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from coverproxy import log
from coverproxy.imaging.render_pool import INTERNAL
from coverproxy.originals.provenance import Provenance
from coverproxy.service.expire import expire
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.measure import measure_some
from coverproxy.service.rejudge import rejudge_some
from coverproxy.sources.base import Fetched, NotThere, SourceUnavailable, Validators

_log = logging.getLogger(__name__)

_MOST = 5
_LEASE_SECONDS = 600
"""How long a claimed row is reserved: a worker that dies with it delays it this much."""

_RESTS = 3
"""Of four requests that a source allows, one is ours."""

_LONGEST_REST = 60.0

_SOON_SECONDS = 3600
"""When to ask again if a source was unavailable; the old picture stays meanwhile."""


@dataclass(frozen=True)
class Revalidator:
    """Works through rows that are due, oldest first. Several processes share the work by claiming rows.

    Hits never trigger a refresh; nginx serves them without waking the app.
    """

    asking: OriginalFetcher
    every: float
    pending_seconds: int = 30 * 86_400
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Run forever; a fault is logged, and retried."""
        while True:
            await self.sleep(self.every)
            try:
                while await self.round() == _MOST:
                    pass
            except Exception as exc:  # any piece's errors: the loop must outlive them
                log.fault(_log, "originals cannot be revalidated", exc)

    async def round(self) -> int:
        """Remove what may not be kept any longer, and revalidate some rows that are due; return how many."""
        asking = self.asking
        while await asking.off_loop(asking.taker.remove_outstayed):
            pass
        now = int(asking.now())
        while await asking.off_loop(partial(expire, asking.taker, now, self.pending_seconds)):
            pass
        while await measure_some(asking):
            pass
        await rejudge_some(asking)
        claim = partial(asking.taker.catalogue.provenance.claim, now, now + _LEASE_SECONDS, _MOST)
        rows = await asking.off_loop(claim)
        for row in rows:
            async with asking.stripes.hold(str(row.identifier)):
                if after := await self._recheck(row):
                    await asking.off_loop(partial(asking.taker.catalogue.provenance.put, after))
            await self._rest(row.source)
        return len(rows)

    async def _rest(self, source: str) -> None:
        """Leave most of a source's rate limit to clients that wait for a cover."""
        settings = self.asking.taker.sources.get(source)
        if settings is not None:
            await self.sleep(min(_RESTS / settings.requests_per_second, _LONGEST_REST))

    async def _recheck(self, row: Provenance) -> Provenance | None:
        """Ask one source for changes; return the row to write, if nobody has written it yet."""
        asking = self.asking
        gate = next((gate for gate in asking.chain.gates if gate.name == row.source), None)
        if gate is None:  # it is no longer in the config
            return replace(row, due=None)
        said = Validators(row.etag, row.modified)
        known = await asking.off_loop(partial(asking.remembered, row.identifier))
        try:
            answer = await gate.fetch(row.identifier, said, known.paused.get(row.source, 0.0))
        except SourceUnavailable as exc:
            if exc.retry_after is not None:
                await asking.off_loop(partial(asking.note_wait, row.source, exc.retry_after))
            return replace(row, due=int(asking.now() + max(exc.retry_after or 0.0, _SOON_SECONDS)))
        if isinstance(answer, NotThere):  # keep the old picture: better than nothing
            _log.info(
                "a source no longer has a cover", extra={"source": row.source, "of": str(row.identifier)}
            )
        if isinstance(answer, Fetched):
            said = answer.validators
            is_same = await asking.off_loop(partial(asking.taker.is_same, row, answer))
            if not is_same and await asking.take(INTERNAL, row.identifier, row.source, answer):
                return None
        again = asking.taker.provenance(row.identifier, row.source, row.digest, said)
        return replace(again, keep_until=row.keep_until)
