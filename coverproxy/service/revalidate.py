"""Revalidates originals with their sources in the background, and removes those that may not stay."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

from coverproxy import log
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.config import SourceConfig
from coverproxy.imaging.render_pool import INTERNAL
from coverproxy.originals.base import Catalogue
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.provenance import Provenance
from coverproxy.service.expire import expire
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.ingest import Ingestor
from coverproxy.service.invalidate import Invalidator
from coverproxy.service.measure import Measurer
from coverproxy.service.rejudge import Rejudger
from coverproxy.sources.base import Fetched, NotThere, SourceUnavailable, Validators
from coverproxy.sources.chain import Chain

_log = logging.getLogger(__name__)

_MOST = 5
_LEASE_SECONDS = 600
"""How long a claimed row is reserved: a worker that dies with it delays it this much."""

_RESTS = 3
"""Of four requests that a source allows, one is ours."""

_LONGEST_REST = 60.0

_SOON_SECONDS = 3600
"""When to ask again if a source was unavailable; the old picture stays meanwhile."""


class Revalidator:
    """Works through rows that are due, oldest first. Several processes share the work by claiming rows.

    Hits never trigger a refresh; nginx serves them without waking the app.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        files: OriginalFiles,
        invalidator: Invalidator,
        ingestor: Ingestor,
        fetcher: OriginalFetcher,
        chain: Chain,
        stripes: FileLocks,
        measurer: Measurer,
        rejudger: Rejudger,
        sources: Mapping[str, SourceConfig],
        threads: WorkerThreads,
        every: float,
        pending_seconds: int,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._catalogue = catalogue
        self._files = files
        self._invalidator = invalidator
        self._ingestor = ingestor
        self._fetcher = fetcher
        self._gates = {gate.name: gate for gate in chain.gates}
        self._stripes = stripes
        self._measurer = measurer
        self._rejudger = rejudger
        self._sources = sources
        self._off_loop = threads.run
        self._every = every
        self._pending_seconds = pending_seconds
        self._now = now
        self._sleep = sleep

    async def run(self) -> None:
        """Run forever; a fault is logged, and retried."""
        while True:
            await self._sleep(self._every)
            try:
                while await self.round() == _MOST:
                    pass
            except Exception as exc:  # any piece's errors: the loop must outlive them
                log.fault(_log, "originals cannot be revalidated", exc)

    async def round(self) -> int:
        """Remove what may not be kept any longer, and revalidate some rows that are due; return how many."""
        now = int(self._now())
        await self._look_after(now)
        rows = await self._off_loop(
            partial(self._catalogue.provenance.claim, now, now + _LEASE_SECONDS, _MOST)
        )
        for row in rows:
            async with self._stripes.hold(str(row.identifier)):
                if after := await self._recheck(row):
                    await self._off_loop(partial(self._catalogue.provenance.put, after))
            await self._rest(row.source)
        return len(rows)

    async def _look_after(self, now: int) -> None:
        """Remove originals whose time is up, measure new ones, and judge old faults again."""
        while await self._off_loop(self._ingestor.remove_outstayed):
            pass
        stores = self._catalogue, self._files, self._invalidator
        while await self._off_loop(partial(expire, *stores, now, self._pending_seconds)):
            pass
        while await self._measurer.measure_some():
            pass
        await self._rejudger.rejudge_some()

    async def _rest(self, source: str) -> None:
        """Leave most of a source's rate limit to clients that wait for a cover."""
        settings = self._sources.get(source)
        if settings is not None:
            await self._sleep(min(_RESTS / settings.requests_per_second, _LONGEST_REST))

    async def _recheck(self, row: Provenance) -> Provenance | None:
        """Ask one source for changes; return the row to write, if nobody has written it yet."""
        gate = self._gates.get(row.source)
        if gate is None:  # it is no longer in the config
            return replace(row, due=None)
        said = Validators(row.etag, row.modified)
        known = await self._off_loop(partial(self._fetcher.remembered, row.identifier))
        try:
            answer = await gate.fetch(row.identifier, said, known.paused.get(row.source, 0.0))
        except SourceUnavailable as exc:
            return await self._put_off(row, exc.retry_after)
        if isinstance(answer, NotThere):  # keep the old picture: better than nothing
            _log.info(
                "a source no longer has a cover", extra={"source": row.source, "of": str(row.identifier)}
            )
        if isinstance(answer, Fetched):
            said = answer.validators
            is_same = await self._off_loop(partial(self._ingestor.is_same, row, answer))
            if not is_same and await self._fetcher.take(INTERNAL, row.identifier, row.source, answer):
                return None
        again = self._ingestor.provenance(row.identifier, row.source, row.digest, said)
        return replace(again, keep_until=row.keep_until)

    async def _put_off(self, row: Provenance, retry_after: float | None) -> Provenance:
        """Return the row for a later attempt, and note how long the source asked everyone to wait."""
        if retry_after is not None:
            await self._off_loop(partial(self._fetcher.note_wait, row.source, retry_after))
        return replace(row, due=int(self._now() + max(retry_after or 0.0, _SOON_SECONDS)))
