"""Originals that an earlier version's decoder could not show, judged anew once after an upgrade."""

import logging
from functools import partial

from coverproxy import log
from coverproxy.domain.errors import Unavailable, UnusableOriginal
from coverproxy.domain.original import Original
from coverproxy.imaging.decode import JUDGEMENT
from coverproxy.imaging.decoder import Decoder
from coverproxy.imaging.detail import Measure
from coverproxy.imaging.render_pool import INTERNAL
from coverproxy.originals.changes import changing, mark_faulty
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.ingest import Ingestor

_log = logging.getLogger(__name__)

_MOST = 500


async def rejudge_some(asking: OriginalFetcher) -> int:
    """Decode originals whose fault is older than this decoder; return how many of them can be shown.

    What their books show changes only for those. One that cannot be read now is tried in the next round.
    """
    taker, shown = asking.taker, 0
    for each in await asking.off_loop(partial(taker.catalogue.misjudged, JUDGEMENT, _MOST)):
        try:
            await _decoded(asking, each)
        except UnusableOriginal as exc:
            if exc.reason != "quarantined":  # that is written down already
                await asking.off_loop(partial(_confirm, taker, each, str(exc)))
        except (Unavailable, OSError) as exc:
            log.fault(_log, "an original cannot be judged anew", exc, of=str(each.identifier))
        else:
            await asking.off_loop(partial(_acquit, taker, each))
            shown += 1
    return shown


async def _decoded(asking: OriginalFetcher, original: Original) -> Measure:
    """Decode it whole. Raises UnusableOriginal, Unavailable, OSError."""
    limits = asking.taker.limits

    def work(decoder: Decoder) -> Measure:
        return decoder.detail(asking.taker.files.read(original, limits.max_bytes), limits)

    async with asking.renders.place(INTERNAL, must=True) as place:
        return await asking.guard.decode(place, original, work)


def _confirm(taker: Ingestor, original: Original, fault: str) -> None:
    mark_faulty(taker.catalogue, original, fault, int(taker.now()))


def _acquit(taker: Ingestor, original: Original) -> None:
    """Clear the fault; the derivatives of what made way for it go. Blocks."""
    with changing(taker.catalogue, int(taker.now())) as changes:
        changes.watch(original.identifier)
        changes.tables.clear_fault(original)
    taker.invalidator.drop_stale()
    about = {"of": str(original.identifier), "digest": original.digest.hex(), "was": original.fault}
    _log.info("an original that could not be shown can be now", extra=about)
