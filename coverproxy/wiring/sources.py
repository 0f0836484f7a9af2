"""Builds the sources of originals, in their order."""

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from coverproxy.accounts.stores import RateLimiter
from coverproxy.concurrency.background import beside
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.config import Config, Size, SourceConfig
from coverproxy.domain.errors import Unavailable
from coverproxy.imaging.render_pool import RenderPool
from coverproxy.service.contribute import Contributor
from coverproxy.service.covers import FILE_THREADS
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.ingest import Ingestor
from coverproxy.service.measure import Measurer
from coverproxy.service.rejudge import Rejudger
from coverproxy.service.revalidate import Revalidator
from coverproxy.sources import build
from coverproxy.sources.base import Source
from coverproxy.sources.chain import Chain
from coverproxy.stats.metrics import Metrics
from coverproxy.wiring.data_folder import DataFolder
from coverproxy.wiring.notices import notice_post

LAST_SECONDS = 0.1
"""Time for fetches without a waiting client to finish when the service stops."""


@asynccontextmanager
async def open_sources(config: Config) -> AsyncIterator[list[Source]]:
    """Open the sources for a command, in the order they are asked. Raises ConfigError."""
    async with AsyncExitStack() as stack:
        opened = []
        for each in build.by_preference(config.source):
            opened.append(build.source(each, config.asking, os.environ, config.limits.max_bytes))
            stack.push_async_callback(opened[-1].aclose)
        yield opened


@dataclass(frozen=True)
class Asking:
    """What asks sources, and ingests and revalidates what they return."""

    ingestor: Ingestor
    fetcher: OriginalFetcher
    revalidator: Revalidator


@asynccontextmanager
async def open_asking(
    config: Config, shelf: DataFolder, metrics: Metrics, guard: DecodeGuard, renders: RenderPool
) -> AsyncIterator[Asking]:
    """Open the sources, and revalidate their originals in the background. Raises ConfigError.

    The data folder and its state must be open.
    """
    async with AsyncExitStack() as stack:
        pace = partial(_paced, shelf.state.rates)
        chain = build.chain(config.source, config.asking, os.environ, config.limits.max_bytes, pace, metrics)
        stack.push_async_callback(chain.aclose)
        threads = stack.enter_context(WorkerThreads(FILE_THREADS, "asking"))
        stripes = FileLocks(Path(config.data.dir) / "asking")
        stack.callback(stripes.close)
        stripes.remove_earlier()
        ingestor = ingestor_of(config, shelf, {each.name: each for each in config.source})
        fetcher = OriginalFetcher(
            shelf.catalogue, chain, shelf.recall, ingestor, stripes, config.asking, metrics, renders, guard,
            threads,
        )  # fmt: skip
        measurer = Measurer(
            catalogue=shelf.catalogue, files=shelf.files, invalidator=shelf.invalidator, renders=renders,
            guard=guard, limits=config.limits, largest=_largest(config), threads=threads,
        )  # fmt: skip
        revalidator = _revalidator(config, shelf, ingestor, fetcher, chain, stripes, measurer, threads)
        try:
            async with beside(revalidator.run()):
                yield Asking(ingestor, fetcher, revalidator)
        finally:
            await fetcher.close(LAST_SECONDS)


def _revalidator(
    config: Config, shelf: DataFolder, ingestor: Ingestor, fetcher: OriginalFetcher, chain: Chain,
    stripes: FileLocks, measurer: Measurer, threads: WorkerThreads,
) -> Revalidator:  # fmt: skip
    """Build what looks after originals in the background."""
    return Revalidator(
        catalogue=shelf.catalogue, files=shelf.files, invalidator=shelf.invalidator, ingestor=ingestor,
        fetcher=fetcher, chain=chain, stripes=stripes, measurer=measurer,
        rejudger=Rejudger(shelf.catalogue, shelf.invalidator, measurer, threads),
        sources={each.name: each for each in config.source}, threads=threads,
        every=config.asking.look_seconds, pending_seconds=config.upload.pending_days * 86_400,
    )  # fmt: skip


def _largest(config: Config) -> Size:
    return max(config.usual_sizes.values(), key=lambda size: size.width * size.height)


def ingestor_of(config: Config, shelf: DataFolder, sources: Mapping[str, SourceConfig]) -> Ingestor:
    """Build what ingests originals of these sources. The data folder must be open."""
    limits, rules = config.limits, config.imports
    return Ingestor(
        shelf.catalogue, shelf.files, shelf.invalidator, config.usual_sizes, limits, rules, sources
    )


def contributor_of(
    config: Config, shelf: DataFolder, ingestor: Ingestor, now: Callable[[], float] = time.time
) -> Contributor:
    """Build the ingestion of uploads. The data folder must be open."""
    most, post = config.limits.max_bytes, notice_post(config)
    return Contributor(
        shelf.catalogue, shelf.files, shelf.invalidator, ingestor, config.imports, most, now, post
    )


async def _paced(rates: RateLimiter, source: str, rate: float, burst: int) -> float:
    """Take one request to a source; return how many seconds to wait for it."""
    try:
        return await rates.take("source", source, time.time(), rate, burst)
    except Unavailable:  # a broken rate limiter blocks no request
        return 0.0
