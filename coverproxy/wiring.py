"""Config to every piece, opened and closed in one stack: the only file that knows them all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from coverproxy import vips
from coverproxy.accounts import Accounts
from coverproxy.cache.absent import Absent
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.flights import Flights, Stripes
from coverproxy.cache.layout import Layout
from coverproxy.cache.links import KeyLinks
from coverproxy.config import Config
from coverproxy.importing import Importer
from coverproxy.metrics import Metrics
from coverproxy.originals.catalogue import Catalogue
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.intake import Refusal
from coverproxy.render import REVISION, RenderQueue
from coverproxy.service import FILE_THREADS, Covers, drop_stale
from coverproxy.state.sqlite import SqliteState


class Shelf:
    """What lies in the data folder, for commands and for the service alike."""

    def __init__(self, config: Config) -> None:
        data = Path(config.data.dir)
        revisions = {name: size.revision(REVISION) for name, size in config.sizes.items()}
        self.layout = Layout(data / "cache", revisions)
        self.catalogue = Catalogue(data / "catalogue.db", config.imports.source_priority)
        self.files = OriginalFiles(data / "originals")
        self.cache = DiskCache(self.layout, fsync=config.cache.fsync)
        self.stripes = Stripes(self.layout.locks)
        self.state = SqliteState(data / "state.db")
        self.links = KeyLinks(self.layout.by_key)

    def open(self) -> None:
        """Make folders and files where they are missing. Raises OSError, sqlite3.Error."""
        self.catalogue.open()
        self.files.open()
        self.cache.open()
        drop_stale(self.catalogue, self.cache, self.stripes, self.layout.revisions)

    def close(self) -> None:
        """Close files and threads."""
        self.stripes.close()
        self.catalogue.close()


@contextmanager
def open_shelf(config: Config) -> Iterator[Shelf]:
    """Open the data folder for a command."""
    shelf = Shelf(config)
    shelf.open()
    try:
        yield shelf
    finally:
        shelf.close()


def importer(config: Config, shelf: Shelf, on_refusal: Callable[[Refusal], None]) -> Importer:
    """Build what takes files in."""
    return Importer(
        shelf.catalogue, shelf.files, shelf.cache, shelf.stripes, config.sizes, config.limits,
        config.imports, on_refusal,
    )  # fmt: skip


@asynccontextmanager
async def open_accounts(config: Config, shelf: Shelf) -> AsyncIterator[Accounts]:
    """Open keys and counts."""
    accounts = Accounts(shelf.state, shelf.state, shelf.links, config.quota, config.automated)
    await shelf.state.open()
    try:
        await accounts.open()
        yield accounts
    finally:
        await shelf.state.close()


@asynccontextmanager
async def open_covers(config: Config, metrics: Metrics) -> AsyncIterator[Covers]:
    """Open the service; at the end, let what is being made be finished, within `server.stop_seconds`."""
    async with AsyncExitStack() as stack:
        shelf = Shelf(config)
        stack.callback(shelf.close)
        await asyncio.to_thread(shelf.open)
        accounts = await stack.enter_async_context(open_accounts(config, shelf))
        lookups = stack.enter_context(ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="lookup"))
        renders = RenderQueue(config.render.threads, config.render.queue)
        stack.callback(renders.close)
        await renders.run(vips.library)  # its 100 ms now, not in the first answer
        covers = Covers(
            cache=shelf.cache,
            flights=Flights(),
            absent=Absent(config.cache.absent_entries, config.cache.absent_seconds),
            stripes=shelf.stripes,
            catalogue=shelf.catalogue,
            files=shelf.files,
            renders=renders,
            accounts=accounts,
            metrics=metrics,
            sizes=config.sizes,
            limits=config.limits,
            answer_within=config.render.answer_within_seconds,
            lookups=lookups,
        )
        fresh = asyncio.create_task(accounts.keep_fresh())
        try:
            yield covers
        finally:
            fresh.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await fresh
            await covers.flights.land(config.server.stop_seconds)
