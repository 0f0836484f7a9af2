"""Originals that an earlier version's decoder could not show, judged anew once after an upgrade."""

import logging
import time
from collections.abc import Callable
from functools import partial

from coverproxy import log
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.domain.errors import Unavailable, UnusableOriginal
from coverproxy.domain.original import Original
from coverproxy.imaging.decode import JUDGEMENT
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import changing, mark_faulty
from coverproxy.service.invalidate import Invalidator
from coverproxy.service.measure import Measurer

_log = logging.getLogger(__name__)

_MOST = 500


class Rejudger:
    """Decodes originals whose fault is older than this decoder."""

    def __init__(
        self, catalogue: Catalogue, invalidator: Invalidator, measurer: Measurer, threads: WorkerThreads,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._invalidator = invalidator
        self._measurer = measurer
        self._threads = threads
        self._now = now

    async def rejudge_some(self) -> int:
        """Decode some of them; return how many can be shown.

        What their books show changes only for those. One that cannot be read now is tried in the next round.
        """
        shown = 0
        for each in await self._threads.run(partial(self._catalogue.misjudged, JUDGEMENT, _MOST)):
            try:
                await self._measurer.measure(each)
            except UnusableOriginal as exc:
                if exc.reason != "quarantined":  # that is recorded already
                    await self._threads.run(partial(self._confirm, each, str(exc)))
            except (Unavailable, OSError) as exc:
                log.fault(_log, "an original cannot be judged anew", exc, of=str(each.identifier))
            else:
                await self._threads.run(partial(self._acquit, each))
                shown += 1
        return shown

    def _confirm(self, original: Original, fault: str) -> None:
        mark_faulty(self._catalogue, original, fault, int(self._now()))

    def _acquit(self, original: Original) -> None:
        """Clear the fault, and remove the derivatives of the original that replaced it. Blocks."""
        with changing(self._catalogue, int(self._now())) as changes:
            changes.watch(original.identifier)
            changes.tables.clear_fault(original)
        self._invalidator.drop_stale()
        about = {"of": str(original.identifier), "digest": original.digest.hex(), "was": original.fault}
        _log.info("an original that could not be shown can be now", extra=about)
