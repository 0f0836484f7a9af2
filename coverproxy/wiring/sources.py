"""Builds the sources of originals, in their order."""

import os
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from coverproxy.concurrency.background import beside
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.config import Config
from coverproxy.domain.errors import Unavailable
from coverproxy.imaging.render_pool import RenderPool
from coverproxy.service.covers import FILE_THREADS
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.ingest import Ingestor
from coverproxy.service.revalidate import Revalidator
from coverproxy.sources import build
from coverproxy.sources.base import Source
from coverproxy.stats.metrics import Metrics
from coverproxy.wiring.data_folder import DataFolder

LAST_SECONDS = 0.1
"""Time left for fetches that nobody waits for when the service stops."""


@asynccontextmanager
async def open_sources(config: Config) -> AsyncIterator[list[Source]]:
    """Open the sources for a command, in the order they are asked. Raises ConfigError."""
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
    """Open the sources, and revalidate their originals in the background. Raises ConfigError.

    The data folder and its state must be open.
    """
    data = Path(config.data.dir)

    async def pace(source: str, rate: float, burst: int) -> float:
        try:
            return await shelf.state.rates.take("source", source, time.time(), rate, burst)
        except Unavailable:  # a broken rate limiter blocks nobody
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
            shelf.catalogue, shelf.files, shelf.invalidator, config.sizes, limits, config.imports, named
        )
        asking = OriginalFetcher(
            chain, shelf.recall, taker, stripes, config.asking, metrics, renders, guard, threads
        )  # fmt: skip
        revalidator = Revalidator(asking, config.asking.look_seconds, config.upload.pending_days * 86_400)
        try:
            async with beside(revalidator.run()):
                yield asking
        finally:
            await asking.flights.land(LAST_SECONDS)
