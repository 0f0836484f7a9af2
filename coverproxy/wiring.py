"""Config to every piece, opened and closed in one stack: the only file that knows them all."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.nginx_links import KeyLinks
from coverproxy.accounts.self_service import KeySelfService
from coverproxy.accounts.signing import SigningSecret
from coverproxy.accounts.sqlite import SqliteState
from coverproxy.cache.budget import DiskBounds, DiskBudget
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.evict import Evictor
from coverproxy.cache.janitor import Janitor
from coverproxy.cache.last_use import of_folder
from coverproxy.cache.layout import Layout
from coverproxy.cache.memory import Memory
from coverproxy.cache.negative import NegativeCache
from coverproxy.concurrency.background import beside
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.concurrency.process_pool import Work
from coverproxy.concurrency.single_flight import SingleFlight
from coverproxy.config import Config
from coverproxy.domain.errors import Unavailable
from coverproxy.domain.formats import Format
from coverproxy.domain.isbn_list import Row
from coverproxy.imaging.decoder import render_processes
from coverproxy.imaging.render_pool import RenderPool
from coverproxy.imaging.render_process import RenderProcesses
from coverproxy.originals.examine import Refusal
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.sqlite import SqliteCatalogue
from coverproxy.service.contribute import Contributor
from coverproxy.service.covers import FILE_THREADS, Covers
from coverproxy.service.databases import (
    CATALOGUE,
    SOURCES,
    STATE,
    Database,
    gone_on_without,
    reopened,
    used_as_it_is,
)  # fmt: skip
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.importer import Importer
from coverproxy.service.ingest import Ingestor
from coverproxy.service.invalidate import drop_stale
from coverproxy.service.maker import DerivativeMaker
from coverproxy.service.prewarm import Prewarmer, PrewarmResult
from coverproxy.service.revalidate import Revalidator
from coverproxy.service.revisions import revisions
from coverproxy.sources import build
from coverproxy.sources.base import Source
from coverproxy.sources.sqlite import SqliteSourceMemory
from coverproxy.stats.history import Historian
from coverproxy.stats.key_activity import KeyActivity
from coverproxy.stats.metrics import Metrics
from coverproxy.stats.sqlite import SqliteActivity
from coverproxy.web.page_context import PageContext

_PATIENCE = 10
"""Times the limit that a render in the background may take."""

_NICENESS = 10
"""Of the service's renders: a tenth of the weight of nginx and the event loops, so hits go first."""

_LAST_SECONDS = 0.1
"""What asks get that nobody waits for any more when the service stops."""


class DataFolder:
    """What lies in the data folder, for commands and for the service alike."""

    def __init__(self, config: Config) -> None:
        self.data = data = Path(config.data.dir)
        self.layout = Layout(data / "cache", *revisions(config), config.size_table.aliases)
        priority = {each.name: each.priority for each in config.source} | config.imports.source_priority
        self.sizes = tuple(config.size_table.sizes)
        self.catalogue = SqliteCatalogue(data / CATALOGUE, priority)
        self.files = OriginalFiles(data / "originals")
        self.room = DiskBudget(self.layout, DiskBounds.of(config.cache))
        self.cache = DiskCache(self.layout, fsync=config.cache.fsync, room=self.room)
        self.stripes = FileLocks(self.layout.locks)
        self.state = SqliteState(data / STATE)
        self.links = KeyLinks(self.layout.by_key)
        self.recall = SqliteSourceMemory(data / SOURCES, config.asking.absent_entries)

    def open(self) -> None:
        """Make folders and files where they are missing. Raises OSError, StoreUnavailable."""
        self.files.open()
        self.cache.open()
        self.recall.open()
        self.open_catalogue()

    def open_catalogue(self) -> None:
        """Open the catalogue, finish what a dead import left; may be tried again. Raises StoreUnavailable."""
        self.catalogue.open()
        drop_stale(self.catalogue, self.cache, self.stripes, self.sizes)

    def open_what_can_be(self) -> None:
        """Open as open() does, but go on without what cannot be used: it says so when asked."""
        for name, opening in (("originals", self.files.open), ("cache", self.cache.open)):
            with used_as_it_is(self.data / name):
                opening()
        for name, opening in ((SOURCES, self.recall.open), (CATALOGUE, self.open_catalogue)):
            with gone_on_without(self.data / name):
                opening()

    def databases(self) -> list[Database]:
        """Return what each database is opened by, again too."""
        catalogue, recall, state = self.catalogue, self.recall, self.state
        return [
            Database(self.data / STATE, state, state.open),
            Database(self.data / CATALOGUE, catalogue, partial(asyncio.to_thread, self.open_catalogue)),
            Database(self.data / SOURCES, recall, partial(asyncio.to_thread, recall.open)),
        ]

    def close(self) -> None:
        """Close files and threads."""
        self.stripes.close()
        self.catalogue.close()
        self.recall.close()
        self.room.close()
        self.cache.purges.close()

    def evictor(self) -> Evictor:
        """Build what keeps the cache within its bounds. The cache's folder must be there."""
        return Evictor(self.layout, self.room, of_folder(self.layout.top))


@contextmanager
def open_shelf(config: Config, *, to_write: bool = True) -> Iterator[DataFolder]:
    """Open the data folder for a command; one that only looks needs no right to write."""
    shelf = DataFolder(config)
    try:
        shelf.open() if to_write else shelf.catalogue.open_to_read()
        yield shelf
    finally:
        shelf.close()


@contextmanager
def open_guard(
    config: Config, shelf: DataFolder, metrics: Metrics, count: int, patience: float = 1.0, niceness: int = 0
) -> Iterator[tuple[DecodeGuard, RenderProcesses]]:
    """Open *count* decoders, each in its process. *patience*: times the limit that a render may take."""
    processes = render_processes(config, count, patience, niceness)
    guard = DecodeGuard(Path(config.data.dir), processes, shelf.catalogue, metrics)
    guard.open()
    try:
        yield guard, processes
    finally:
        guard.close()
        processes.close()


@contextmanager
def open_importer(
    config: Config, shelf: DataFolder, on_refusal: Callable[[Refusal], None]
) -> Iterator[Importer]:
    """Open what takes files in."""
    with open_guard(config, shelf, Metrics(), 1) as (guard, _):
        yield Importer(
            shelf.catalogue, shelf.files, guard, shelf.cache, shelf.stripes, shelf.sizes, config.limits,
            config.imports, on_refusal,
        )  # fmt: skip


@contextmanager
def open_contributor(config: Config, shelf: DataFolder) -> Iterator[tuple[Contributor, DecodeGuard]]:
    """Open what takes in a person's file at the command line."""
    with open_guard(config, shelf, Metrics(), 1) as (guard, _):
        ingestor = Ingestor(
            shelf.catalogue, shelf.files, shelf.cache, shelf.stripes, shelf.sizes, config.sizes,
            config.limits, config.imports, {},
        )  # fmt: skip
        yield Contributor(ingestor), guard


@contextmanager
def open_warmer(
    config: Config, sizes: tuple[str, ...], formats: tuple[Format, ...]
) -> Iterator[Work[Row, PrewarmResult]]:
    """Open what makes a list's covers, in a process of its own: what goes wrong is told in its results."""
    logging.getLogger("coverproxy").propagate = False
    logging.getLogger("coverproxy").addHandler(logging.NullHandler())
    metrics = Metrics()
    # It gives way to everybody, so on a busy machine its renders take far longer: they are not to blame.
    with open_shelf(config) as shelf, open_guard(config, shelf, metrics, 1, _PATIENCE) as (guard, processes):
        maker = DerivativeMaker(
            shelf.cache, shelf.catalogue, shelf.files, metrics, config.size_table.sizes, config.limits
        )
        warmer = Prewarmer(shelf.cache, shelf.room, shelf.stripes, guard, maker, sizes, formats)
        yield Work(warmer.warm, processes.cpu_seconds)


@asynccontextmanager
async def open_accounts(
    config: Config, shelf: DataFolder, *, goes_on: bool = False
) -> AsyncIterator[Accounts]:
    """Open keys and counts. Raises StoreUnavailable, unless it *goes_on* until they can be read."""
    accounts = Accounts(
        shelf.state, shelf.state, shelf.state.rates, shelf.links, config.quota, config.automated,
        answer_within=config.render.answer_within_seconds, workers=config.server.workers,
    )  # fmt: skip
    try:
        with gone_on_without(shelf.data / STATE) if goes_on else nullcontext():
            await shelf.state.open()
            await accounts.open()
        yield accounts
    finally:
        await shelf.state.close()


@asynccontextmanager
async def kept_within_bounds(config: Config, shelf: DataFolder, metrics: Metrics) -> AsyncIterator[None]:
    """Evict in the background. The shelf must be open."""
    upkeep = Janitor(shelf.evictor(), shelf.room, shelf.layout, metrics, config.cache.check_seconds)
    upkeep.start()
    try:
        yield
    finally:
        await asyncio.to_thread(upkeep.stop)


@asynccontextmanager
async def open_desk(config: Config, metrics: Metrics, covers: Covers) -> AsyncIterator[PageContext]:
    """Open what the pages for people need beside the covers."""
    data, accounts = Path(config.data.dir), covers.accounts
    notes = SqliteActivity(data / STATE)
    layout = covers.cache.layout
    desk = PageContext(
        keys=KeySelfService(
            accounts, accounts.store, accounts.rates, config.signup, config.quota.daily_limit, accounts.now
        ),
        ledger=KeyActivity(notes),
        notes=notes,
        history=Historian(notes, metrics, layout.locks / "history", hourly=notes.sweep),
        room=DiskBudget(layout, DiskBounds.of(config.cache)),
        signing=SigningSecret(accounts.store),
        sessions=accounts.store.sessions,
    )
    try:
        async with desk.signing.kept(), desk.ledger.kept(), desk.history.kept():
            yield desk
    finally:
        desk.room.close()


@asynccontextmanager
async def open_sources(config: Config) -> AsyncIterator[list[Source]]:
    """Open the sources for a command, in the order that they are asked in. Raises ConfigError."""
    async with AsyncExitStack() as stack:
        opened = []
        for each in build.by_preference(config.source):
            opened.append(build.source(each, config.asking, os.environ, config.limits.max_bytes))
            stack.push_async_callback(opened[-1].aclose)
        yield opened


@asynccontextmanager
async def open_asking(
    config: Config, shelf: DataFolder, metrics: Metrics, guard: DecodeGuard, renders: RenderPool
) -> AsyncIterator[OriginalFetcher]:
    """Open the sources, and keep fresh in the background what they gave. Raises ConfigError.

    The shelf and its state must be open.
    """
    data = Path(config.data.dir)

    async def pace(source: str, rate: float, burst: int) -> float:
        try:
            return await shelf.state.rates.take("source", source, time.time(), rate, burst)
        except Unavailable:  # a pace that cannot be kept holds nobody back
            return 0.0

    async with AsyncExitStack() as stack:
        limits, environ = config.limits, os.environ
        chain = build.chain(config.source, config.asking, environ, limits.max_bytes, pace, metrics)
        stack.push_async_callback(chain.aclose)
        threads = stack.enter_context(ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="asking"))
        stripes = FileLocks(data / "asking", count=4096)
        stack.callback(stripes.close)
        named = {each.name: each for each in config.source}
        taker = Ingestor(
            shelf.catalogue, shelf.files, shelf.cache, shelf.stripes, shelf.sizes, config.sizes, limits,
            config.imports, named,
        )  # fmt: skip
        asking = OriginalFetcher(
            chain, shelf.recall, taker, stripes, config.asking, metrics, renders, guard, threads
        )  # fmt: skip
        revalidator = Revalidator(asking, config.asking.look_seconds, config.upload.pending_days * 86_400)
        try:
            async with beside(revalidator.run()):
                yield asking
        finally:
            await asking.flights.land(_LAST_SECONDS)


@asynccontextmanager
async def open_covers(config: Config, metrics: Metrics) -> AsyncIterator[Covers]:
    """Open the service; at the end, let what is being made be finished, within `server.stop_seconds`."""
    async with AsyncExitStack() as stack:
        shelf = DataFolder(config)
        stack.callback(shelf.close)
        await asyncio.to_thread(shelf.open_what_can_be)
        await stack.enter_async_context(kept_within_bounds(config, shelf, metrics))
        accounts = await stack.enter_async_context(open_accounts(config, shelf, goes_on=True))
        lookups = stack.enter_context(ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="lookup"))
        threads = config.render.threads
        opening = open_guard(config, shelf, metrics, threads, niceness=_NICENESS)
        guard, _ = await asyncio.to_thread(stack.enter_context, opening)
        renders = RenderPool(threads, config.render.queue, config.render.answer_within_seconds)
        stack.callback(renders.close)
        # Now, not for the first answer; by a render thread, as the kernel ends them with who started them.
        await renders.start(guard.start)
        asking = await stack.enter_async_context(open_asking(config, shelf, metrics, guard, renders))
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
        )
        await stack.enter_async_context(beside(reopened(shelf.databases())))
        await stack.enter_async_context(beside(accounts.keep_fresh()))
        try:
            yield covers
        finally:
            await covers.flights.land(config.server.stop_seconds)
            await covers.remakes.land(_LAST_SECONDS)
