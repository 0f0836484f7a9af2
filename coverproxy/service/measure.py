"""Originals measured in the background: those that came in without a decoder, where one is to be chosen."""

import logging
import time
from collections.abc import Callable
from functools import partial

from coverproxy import log
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.config import Limits, Size
from coverproxy.domain.errors import Unavailable, UnusableOriginal
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.decode import JUDGEMENT
from coverproxy.imaging.decoder import Decoder
from coverproxy.imaging.detail import Measure
from coverproxy.imaging.render_pool import INTERNAL, RenderPool
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import changing
from coverproxy.originals.files import OriginalFiles
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.invalidate import Invalidator
from coverproxy.service.judge import damage, seen_whole

_log = logging.getLogger(__name__)

_MOST = 20
_MOST_SAME = 1000


class Measurer:
    """Measures originals that are here, in the service's own turn."""

    def __init__(
        self, *, catalogue: Catalogue, files: OriginalFiles, invalidator: Invalidator, renders: RenderPool,
        guard: DecodeGuard, limits: Limits, largest: Size, threads: WorkerThreads,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._files = files
        self._invalidator = invalidator
        self._renders = renders
        self._guard = guard
        self._limits = limits
        self._largest = largest
        self._threads = threads
        self._now = now

    async def measure(self, original: Original) -> Measure:
        """Decode an original whole. Raises UnusableOriginal, Unavailable, OSError."""

        def work(decoder: Decoder) -> Measure:
            body = self._files.read(original, self._limits.max_bytes)
            return seen_whole(decoder, body, self._largest, self._limits)

        async with self._renders.place(INTERNAL, must=True) as place:
            return await self._guard.decode(place, original, work)

    async def measure_some(self) -> int:
        """Measure the originals of some items, and have each show its best; return how many items.

        Several processes may do it at once: one that finds an item locked measures it again, to the same end.
        """
        found = await self._threads.run(partial(self._catalogue.unmeasured, _MOST))
        for identifier in found:
            measures: dict[bytes, Measure | str | None] = {}
            for each in await self._threads.run(partial(self._catalogue.of_item, identifier)):
                if each.detail is None and each.fault is None:
                    measures[each.digest] = await self._if_possible(each)
            await self._threads.run(partial(self._keep, identifier, measures))
        return len(found)

    async def _if_possible(self, original: Original) -> Measure | str | None:
        """Measure one, or return its fault; None if it cannot be read or decoded now: its size counts."""
        try:
            return await self.measure(original)
        except UnusableOriginal as exc:
            return damage(exc)
        except (Unavailable, OSError) as exc:
            log.fault(_log, "an original cannot be measured", exc, of=str(original.identifier))
            return None

    def _keep(self, identifier: Identifier, measures: dict[bytes, Measure | str | None]) -> None:
        """Store measures and faults, and remove the derivatives of what is no longer the best. Blocks."""
        with changing(self._catalogue, int(self._now())) as changes:
            for digest, found in measures.items():
                for each in changes.tables.with_digest(digest, _MOST_SAME) if found is not None else ():
                    changes.watch(each.identifier)
                    if isinstance(found, str):
                        changes.tables.mark_faulty(each, found, JUDGEMENT)
                if isinstance(found, Measure):
                    changes.tables.keep_measure(digest, found.detail, found.content)
            found_now = changes.tables.of_item(identifier)
            if all(each.detail is not None or each.fault or each.digest in measures for each in found_now):
                changes.tables.unmark_unmeasured(identifier)
        self._invalidator.drop_stale()
