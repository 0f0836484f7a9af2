"""Brings derivatives from the second tier to this node, in step with what removes them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from coverproxy import log
from coverproxy.cache.second_tier import SecondTier, purge_objects
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import NoCover, StoreUnavailable, Unavailable
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.objects.base import Objects
from coverproxy.originals.base import Catalogue
from coverproxy.service.maker import DerivativeMaker

PATIENCE = 1.0
"""Seconds that a node waits for what another has just made, before it makes a copy of its own."""

_MOST_PURGES = 100
_PURGE_SECONDS = 5.0

_log = logging.getLogger(__name__)

OffLoop = Callable[[Callable[[], Any]], Awaitable[Any]]


async def bring(
    second: SecondTier | None, maker: DerivativeMaker, stripes: FileLocks, spec: Spec, off_loop: OffLoop
) -> Derivative | None:
    """Return a derivative that any node has made, stored here now; None if none can be had.

    MUST read the originals and store under the spec's lock: who replaces one purges with that lock
    afterwards, so what was found for the earlier original is removed too.
    """
    if second is None or second.objects.fault:
        return None
    async with stripes.hold(str(spec)):
        try:
            originals: list[Original] = await off_loop(partial(maker.originals, spec.identifier))
        except (NoCover, Unavailable):  # making it says what is wrong
            return None
        return await _kept(second, maker, spec, originals, off_loop)


async def awaited(
    second: SecondTier | None,
    maker: DerivativeMaker,
    spec: Spec,
    originals: list[Original],
    off_loop: OffLoop,
) -> Derivative | None:
    """Do the same for what another node made a moment ago: it is on its way. The caller holds the lock."""
    if second is None:
        return None
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + PATIENCE, 0.01
    while not second.objects.fault:
        if found := await _kept(second, maker, spec, originals, off_loop):
            return found
        if loop.time() > until:
            return None
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.2)
    return None


async def _kept(
    second: SecondTier, maker: DerivativeMaker, spec: Spec, originals: list[Original], off_loop: OffLoop
) -> Derivative | None:
    found = await second.find(spec, originals)
    if found is None:
        return None
    stored: Derivative = await off_loop(partial(maker.stored_if_possible, spec, found))
    return stored


def purge_second(
    objects: Objects | None, catalogue: Catalogue, identifiers: Iterable[Identifier], at: int
) -> None:
    """Have no node find items' present derivatives in the second tier again, and delete them there. Blocks.

    *at*: seconds since 1970. Where the object store is away, they are deleted once it answers. Before every
    node's own go: one that is asked meanwhile would bring it back.
    """
    if objects is not None:
        names = [name for each in identifiers for name in catalogue.aliases.names(each)]
        catalogue.purged.note(names, at)
        with suppress(StoreUnavailable):  # logged when it is carried out later
            carry_out(objects, catalogue, at)


def carry_out(objects: Objects, catalogue: Catalogue, now: int) -> int:
    """Delete what the purges that are due leave behind in the second tier; return how many. Blocks.

    Raises StoreUnavailable.
    """
    count = 0
    for each in catalogue.purged.due(now, _MOST_PURGES):
        count += purge_objects(objects, each.identifier, each.number)
        catalogue.purged.done(each, now)
    return count


async def purges_carried_out(objects: Objects, catalogue: Catalogue, off_loop: OffLoop) -> None:
    """Carry out what purges are due, by any node, until cancelled."""
    while True:
        await asyncio.sleep(_PURGE_SECONDS)
        if not objects.fault:
            try:
                await off_loop(partial(carry_out, objects, catalogue, int(time.time())))
            except StoreUnavailable as exc:
                log.fault(_log, "covers of before a purge are not deleted in the object store yet", exc)
