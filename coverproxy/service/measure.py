"""Originals measured in the background: those that came in without a decoder, where one is to be chosen."""

import logging
from functools import partial

from coverproxy import log
from coverproxy.domain.errors import Unavailable, UnusableOriginal
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.decoder import Decoder
from coverproxy.imaging.detail import Measure
from coverproxy.imaging.render_pool import INTERNAL
from coverproxy.originals.changes import changing
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.ingest import Ingestor

_log = logging.getLogger(__name__)

_MOST = 20


async def measure_some(asking: OriginalFetcher) -> int:
    """Measure the originals of some items, and have each show its best; return how many items there were.

    Several processes may do it at once: one that finds an item locked measures it again, to the same end.
    """
    taker = asking.taker
    found = await asking.off_loop(partial(taker.catalogue.unmeasured, _MOST))
    for identifier in found:
        measures = {}
        for each in await asking.off_loop(partial(taker.catalogue.of_item, identifier)):
            if each.detail is None and each.fault is None:
                measures[each.digest] = await _measured(asking, each)
        await asking.off_loop(partial(_keep, taker, identifier, measures))
    return len(found)


async def _measured(asking: OriginalFetcher, original: Original) -> Measure | None:
    """Measure one; None where it cannot be read or decoded now: then its size counts as it is."""
    limits = asking.taker.limits

    def work(decoder: Decoder) -> Measure:
        return decoder.detail(asking.taker.files.read(original, limits.max_bytes), limits)

    try:
        async with asking.renders.place(INTERNAL, must=True) as place:
            return await asking.guard.decode(place, original, work)
    except (UnusableOriginal, Unavailable, OSError) as exc:
        log.fault(_log, "an original cannot be measured", exc, of=str(original.identifier))
        return None


def _keep(taker: Ingestor, identifier: Identifier, measures: dict[bytes, Measure | None]) -> None:
    """Write down what was measured; the derivatives of what is no longer the best go. Blocks."""
    with changing(taker.catalogue, int(taker.now())) as changes:
        for digest, found in measures.items():
            if found is not None:
                for each in changes.tables.with_digest(digest, 1000):
                    changes.watch(each.identifier)
                changes.tables.keep_measure(digest, found.detail, found.content)
        found_now = changes.tables.of_item(identifier)
        if all(each.detail is not None or each.fault or each.digest in measures for each in found_now):
            changes.tables.unmark_unmeasured(identifier)
    taker.invalidator.drop_stale()
