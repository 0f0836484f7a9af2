"""Builds the cover service, opened and closed in one exit stack."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from coverproxy.accounts.accounts import Accounts
from coverproxy.cache.janitor import Janitor
from coverproxy.cache.memory import Memory
from coverproxy.cache.negative import NegativeCache
from coverproxy.cache.second_tier import SecondTier
from coverproxy.concurrency.background import beside
from coverproxy.concurrency.single_flight import SingleFlight
from coverproxy.config import Config
from coverproxy.imaging.render_pool import RenderPool
from coverproxy.service.better_formats import BetterFormats
from coverproxy.service.covers import FILE_THREADS, Covers
from coverproxy.service.databases import reopened
from coverproxy.stats.metrics import Metrics
from coverproxy.wiring.accounts import open_accounts
from coverproxy.wiring.better import open_better
from coverproxy.wiring.data_folder import DataFolder
from coverproxy.wiring.decoding import open_guard
from coverproxy.wiring.objects import second_tier
from coverproxy.wiring.sources import LAST_SECONDS, open_asking
from coverproxy.wiring.webhooks import open_webhooks

_NICENESS = 10
"""Niceness of the service's renders: a tenth of the weight of nginx and the event loops, so hits go first."""


@asynccontextmanager
async def kept_within_bounds(config: Config, shelf: DataFolder, metrics: Metrics) -> AsyncIterator[None]:
    """Evict in the background. The data folder must be open."""
    upkeep = Janitor(shelf.evictor(), shelf.room, shelf.layout, metrics, config.cache.check_seconds)
    upkeep.start()
    try:
        yield
    finally:
        await asyncio.to_thread(upkeep.stop)


@asynccontextmanager
async def kept_true(shelf: DataFolder, accounts: Accounts, metrics: Metrics) -> AsyncIterator[None]:
    """Open again what failed, follow what other nodes change, and read keys anew, in the background."""
    following = shelf.stores.follow(accounts, metrics, shelf.drop_stale)
    async with beside(reopened(shelf.databases())), following, beside(accounts.keep_fresh()):
        yield


@asynccontextmanager
async def open_covers(config: Config, metrics: Metrics, *, prestart: bool = True) -> AsyncIterator[Covers]:
    """Open the service; at the end, finish covers in progress, within `server.stop_seconds`."""
    async with AsyncExitStack() as stack:
        shelf = DataFolder(config)
        stack.callback(shelf.close)
        await asyncio.to_thread(shelf.open_what_can_be)
        await stack.enter_async_context(kept_within_bounds(config, shelf, metrics))
        accounts = await stack.enter_async_context(open_accounts(config, shelf, goes_on=True))
        lookups = stack.enter_context(ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="lookup"))
        opening = open_guard(config, shelf, metrics, config.render.threads, niceness=_NICENESS)
        guard, _ = await asyncio.to_thread(stack.enter_context, opening)
        renders = RenderPool(config.render.threads, config.render.queue, config.render.answer_within_seconds)
        stack.callback(renders.close)
        if prestart:  # on a render thread: the kernel kills a child when the thread that started it ends
            await renders.start(guard.start)
        asking = await stack.enter_async_context(open_asking(config, shelf, metrics, guard, renders))
        second, better = await stack.enter_async_context(_behind(config, shelf, metrics, renders))
        covers = Covers(
            cache=shelf.cache,
            memory=Memory(config.cache.memory_bytes, config.cache.memory_seconds, shelf.cache.purges),
            flights=SingleFlight(),
            absent=NegativeCache(config.cache.absent_entries, config.cache.absent_seconds),
            stripes=shelf.stripes,
            catalogue=shelf.catalogue,
            files=shelf.files,
            renders=renders,
            guard=guard,
            accounts=accounts,
            metrics=metrics,
            sizes=config.size_table.sizes,
            limits=config.limits,
            answer_within=config.render.answer_within_seconds,
            lookups=lookups,
            asking=asking,
            notes=shelf.stores.notes,
            leases=shelf.stores.leases,
            unheard=shelf.stores.unheard,
            better=better,
            second=second,
        )
        await stack.enter_async_context(kept_true(shelf, accounts, metrics))
        await stack.enter_async_context(open_webhooks(config, shelf.catalogue))
        try:
            yield covers
        finally:
            await covers.flights.land(config.server.stop_seconds)
            await covers.remakes.land(LAST_SECONDS)


@asynccontextmanager
async def _behind(
    config: Config, shelf: DataFolder, metrics: Metrics, renders: RenderPool
) -> AsyncIterator[tuple[SecondTier | None, BetterFormats]]:
    """Open what works behind the answers: the second tier, and better formats, which go there too."""
    with second_tier(shelf, metrics, LAST_SECONDS) as second:
        async with open_better(config, shelf, metrics, partial(_is_busy, renders), second) as better:
            yield second, better


def _is_busy(renders: RenderPool) -> bool:
    """Say whether covers are being made for visitors, or wait for it."""
    return renders.taken > 0
