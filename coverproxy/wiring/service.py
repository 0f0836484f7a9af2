"""Builds the cover service, opened and closed in one exit stack."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial

from coverproxy.accounts.accounts import Accounts
from coverproxy.cache.janitor import Janitor
from coverproxy.cache.memory import Memory
from coverproxy.cache.negative import NegativeCache
from coverproxy.cache.second_tier import SecondTier
from coverproxy.concurrency.background import beside
from coverproxy.concurrency.leases import NoLeases
from coverproxy.concurrency.single_flight import SingleFlight
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.config import Config
from coverproxy.imaging.decoder import render_processes
from coverproxy.imaging.render_pool import RenderPool
from coverproxy.imaging.render_processes import RenderProcesses
from coverproxy.originals.local_copies import LocalCopies
from coverproxy.service.better_formats import BetterFormats
from coverproxy.service.bring import purges_carried_out
from coverproxy.service.cover_info import InfoService
from coverproxy.service.cover_maker import CoverMaker
from coverproxy.service.covers import FILE_THREADS, Covers
from coverproxy.service.curate import Curator
from coverproxy.service.databases import DatabaseFiles, reopened
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.health import Health
from coverproxy.service.held_covers import HeldCovers
from coverproxy.service.holdings import Holdings
from coverproxy.service.ingest import DAY_SECONDS, Ingestor
from coverproxy.service.maker import DerivativeMaker
from coverproxy.service.reports import ReportDesk
from coverproxy.service.revalidate import Revalidator
from coverproxy.service.straight import Outcome, StraightMaker
from coverproxy.service.sweep_originals import OriginalSweep, keep_swept
from coverproxy.service.uploads import Uploads
from coverproxy.sources.build import user_agent
from coverproxy.stats.metrics import Metrics
from coverproxy.wiring.accounts import open_accounts
from coverproxy.wiring.better import open_better
from coverproxy.wiring.data_folder import DataFolder
from coverproxy.wiring.decoding import open_guard
from coverproxy.wiring.notices import kept_told, notice_post
from coverproxy.wiring.objects import second_tier
from coverproxy.wiring.sources import LAST_SECONDS, contributor_of, open_asking
from coverproxy.wiring.webhooks import open_webhooks

_NICENESS = 10
"""Niceness of the service's renders: a tenth of the weight of nginx and the event loops, so hits go first."""


@dataclass(frozen=True)
class Parts:
    """What is opened first: the services are built from it."""

    config: Config
    metrics: Metrics
    folder: DataFolder
    databases: DatabaseFiles
    accounts: Accounts
    lookups: WorkerThreads
    guard: DecodeGuard
    renders: RenderPool
    ingestor: Ingestor
    fetcher: OriginalFetcher
    revalidator: Revalidator
    better: BetterFormats
    second: SecondTier | None
    memory: Memory
    absent: NegativeCache
    maker: DerivativeMaker
    flights: SingleFlight[Outcome]
    remakes: SingleFlight[None]


@dataclass(frozen=True)
class Service(Parts):
    """Everything that a process has opened: the services, and the parts they are built from."""

    covers: Covers
    books: InfoService
    curator: Curator
    reports: ReportDesk
    uploads: Uploads


@asynccontextmanager
async def kept_within_bounds(config: Config, shelf: DataFolder, metrics: Metrics) -> AsyncIterator[None]:
    """Evict in the background. The data folder must be open."""
    upkeep = Janitor(shelf.evictor(), shelf.cache, metrics, config.cache.check_seconds)
    upkeep.start()
    try:
        yield
    finally:
        await asyncio.to_thread(upkeep.stop)


@asynccontextmanager
async def kept_true(
    shelf: DataFolder, databases: DatabaseFiles, accounts: Accounts, metrics: Metrics
) -> AsyncIterator[None]:
    """Open again what failed, follow what other nodes change, and read keys anew, in the background."""
    following = shelf.stores.follow(accounts, metrics, shelf.drop_stale)
    async with beside(reopened(databases)), following, beside(accounts.keep_fresh()):
        yield


@asynccontextmanager
async def tidied(shelf: DataFolder, config: Config) -> AsyncIterator[None]:
    """In the background: purge and sweep the object store, and bound this node's copies of originals."""
    async with AsyncExitStack() as stack:
        if shelf.objects is not None:
            purging = purges_carried_out(shelf.objects, shelf.catalogue, asyncio.to_thread)
            await stack.enter_async_context(beside(purging))
            if days := config.store.removed_originals_days:
                sweep = OriginalSweep(shelf.catalogue, shelf.objects, days * DAY_SECONDS)
                await stack.enter_async_context(beside(keep_swept(sweep)))
            if most := config.store.local_originals_bytes:
                copies = LocalCopies(shelf.data / "originals", shelf.objects, most)
                await stack.enter_async_context(beside(copies.keep_bounded()))
        yield


@asynccontextmanager
async def open_service(
    config: Config, metrics: Metrics, processes: RenderProcesses | None = None
) -> AsyncIterator[Service]:
    """Open the service; at the end, finish covers in progress, within `server.stop_seconds`.

    *processes*: the caller's render processes; without them it starts its own.
    """
    async with AsyncExitStack() as stack:
        parts = await _open_parts(stack, config, metrics, processes)
        service = _build(parts)
        await stack.enter_async_context(kept_true(parts.folder, parts.databases, parts.accounts, metrics))
        await stack.enter_async_context(tidied(parts.folder, config))
        await stack.enter_async_context(open_webhooks(config, parts.folder.catalogue))
        await stack.enter_async_context(kept_told(config, parts.folder, parts.accounts, service.covers))
        try:
            yield service
        finally:
            await service.covers.close(config.server.stop_seconds)


async def _open_parts(
    stack: AsyncExitStack, config: Config, metrics: Metrics, processes: RenderProcesses | None
) -> Parts:
    shelf = DataFolder(config)
    stack.callback(shelf.close)
    await asyncio.to_thread(shelf.open_what_can_be)
    await stack.enter_async_context(kept_within_bounds(config, shelf, metrics))
    accounts = await stack.enter_async_context(open_accounts(config, shelf, goes_on=True))
    lookups = stack.enter_context(WorkerThreads(FILE_THREADS, "lookup"))
    guard, renders = await _open_renders(stack, config, shelf, metrics, processes)
    asking = await stack.enter_async_context(open_asking(config, shelf, metrics, guard, renders))
    second, better = await stack.enter_async_context(_behind(config, shelf, metrics, renders))
    quick = {name: size.quick for name, size in config.size_table.sizes.items()}
    return Parts(
        config, metrics, shelf, DatabaseFiles(shelf.databases()), accounts, lookups, guard, renders,
        asking.ingestor, asking.fetcher, asking.revalidator, better, second,
        Memory(config.cache.memory_bytes, config.cache.memory_seconds, shelf.cache.purges),
        NegativeCache(config.cache.absent_entries, config.cache.absent_seconds),
        DerivativeMaker(shelf.cache, shelf.catalogue, shelf.files, metrics, quick, config.limits, second),
        SingleFlight(), SingleFlight(),
    )  # fmt: skip


@asynccontextmanager
async def _behind(
    config: Config, shelf: DataFolder, metrics: Metrics, renders: RenderPool
) -> AsyncIterator[tuple[SecondTier | None, BetterFormats]]:
    """Open what works behind the answers: the second tier, and better formats, which go there too."""
    with second_tier(shelf, metrics, LAST_SECONDS) as second:
        async with open_better(config, shelf, metrics, partial(_is_busy, renders), second) as better:
            yield second, better


async def _open_renders(
    stack: AsyncExitStack, config: Config, shelf: DataFolder, metrics: Metrics, given: RenderProcesses | None
) -> tuple[DecodeGuard, RenderPool]:
    processes = given or stack.enter_context(
        closing(render_processes(config, config.render.threads, niceness=_NICENESS))
    )
    guard = await asyncio.to_thread(stack.enter_context, open_guard(config, shelf, metrics, processes))
    renders = RenderPool(config.render.threads, config.render.queue, config.render.answer_within_seconds)
    stack.callback(renders.close)
    if not given:
        await asyncio.to_thread(guard.start)
    return guard, renders


def _build(parts: Parts) -> Service:
    """Build the services from the opened stores."""
    folder, config = parts.folder, parts.config
    books = _cover_info(parts)
    curator = Curator(folder.catalogue, folder.files, folder.invalidator)
    return Service(
        **vars(parts),
        covers=_covers(parts, books),
        books=books,
        curator=curator,
        reports=ReportDesk(
            folder.catalogue, curator, config.reports, parts.accounts.now, notice_post(config)
        ),
        uploads=_uploads(parts),
    )


def _uploads(parts: Parts) -> Uploads:
    config, folder, now = parts.config, parts.folder, parts.accounts.now
    contributor = contributor_of(config, folder, parts.ingestor, now)
    return Uploads(
        folder.catalogue, contributor, parts.fetcher, parts.accounts.rates, config.upload,
        config.limits.max_bytes, now, user_agent(config.asking.contact),
    )  # fmt: skip


def _cover_info(parts: Parts) -> InfoService:
    config = parts.config
    return InfoService(
        catalogue=parts.folder.catalogue, cache=parts.folder.cache, maker=parts.maker, renders=parts.renders,
        guard=parts.guard, fetcher=parts.fetcher, sizes=config.sizes, formats=config.formats.enabled,
        answer_within=config.render.answer_within_seconds, lookups=parts.lookups,
    )  # fmt: skip


def _covers(parts: Parts, books: InfoService) -> Covers:
    folder = parts.folder
    held = HeldCovers(parts.memory, folder.cache, folder.catalogue)
    health = _health(parts)
    return Covers(
        held=held, making=_making(parts, held, health), straight=_straight(parts, held),
        flights=parts.flights, remakes=parts.remakes, absent=parts.absent, cache=folder.cache,
        stripes=folder.stripes, catalogue=folder.catalogue, maker=parts.maker, renders=parts.renders,
        fetcher=parts.fetcher, better=parts.better, metrics=parts.metrics,
        answer_within=parts.config.render.answer_within_seconds, lookups=parts.lookups, health=health,
        holdings=_holdings(parts), books=books,
    )  # fmt: skip


def _health(parts: Parts) -> Health:
    folder = parts.folder
    return Health(
        catalogue=folder.catalogue, files=folder.files, cache=folder.cache,
        invalidator=folder.invalidator, guard=parts.guard, fetcher=parts.fetcher, accounts=parts.accounts,
        databases=parts.databases, unheard=folder.stores.unheard, threads=parts.lookups,
    )  # fmt: skip


def _making(parts: Parts, held: HeldCovers, health: Health) -> CoverMaker:
    folder = parts.folder
    return CoverMaker(
        held=held, cache=folder.cache, absent=parts.absent, stripes=folder.stripes,
        leases=folder.stores.leases, catalogue=folder.catalogue, maker=parts.maker, second=parts.second,
        renders=parts.renders, guard=parts.guard, fetcher=parts.fetcher, accounts=parts.accounts,
        health=health, metrics=parts.metrics, threads=parts.lookups,
    )  # fmt: skip


def _straight(parts: Parts, held: HeldCovers) -> StraightMaker:
    folder = parts.folder
    is_alone = parts.second is None and isinstance(folder.stores.leases, NoLeases)
    return StraightMaker(
        held, folder.catalogue, folder.stripes, parts.guard, parts.maker, parts.renders, parts.lookups,
        parts.accounts, parts.metrics, is_alone=is_alone,
    )  # fmt: skip


def _holdings(parts: Parts) -> Holdings:
    folder = parts.folder
    return Holdings(
        catalogue=folder.catalogue, files=folder.files, cache=folder.cache, room=folder.room,
        invalidator=folder.invalidator, maker=parts.maker, now=parts.accounts.now,
        threads=parts.lookups,
    )  # fmt: skip


def _is_busy(renders: RenderPool) -> bool:
    """Say whether covers are being made for visitors, or wait for it."""
    return renders.taken > 0
