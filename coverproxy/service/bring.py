"""Brings derivatives from the second tier to this node, in step with what removes them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from coverproxy.cache.second_tier import SecondTier, purge_objects
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import NoCover, Unavailable
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.objects.base import Objects
from coverproxy.originals.base import Catalogue
from coverproxy.service.maker import DerivativeMaker

PATIENCE = 1.0
"""Seconds that a node waits for what another has just made, before it makes a copy of its own."""

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


def purge_second(objects: Objects | None, catalogue: Catalogue, identifiers: Iterable[Identifier]) -> None:
    """Delete items' derivatives from the second tier. Blocks. Raises StoreUnavailable.

    Before every node's own go: one that is asked meanwhile would bring it back.
    """
    if objects is not None:
        purge_objects(objects, [name for each in identifiers for name in catalogue.aliases.names(each)])
