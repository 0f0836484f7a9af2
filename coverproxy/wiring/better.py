"""What makes better formats in the background."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from coverproxy.cache.second_tier import SecondTier
from coverproxy.concurrency.background import beside
from coverproxy.config import Config
from coverproxy.imaging.decoder import ProcessDecoder, render_processes
from coverproxy.service.better_formats import LOCK, BetterFormats
from coverproxy.service.make_better import BetterMaker
from coverproxy.service.maker import DerivativeMaker
from coverproxy.stats.metrics import Metrics
from coverproxy.wiring.data_folder import DataFolder

_PATIENCE = 6
"""Times render.time_limit_seconds that one may take: a detailed one takes half a minute."""

_LOWEST = 19
"""Niceness of background work."""


@asynccontextmanager
async def open_better(
    config: Config,
    shelf: DataFolder,
    metrics: Metrics,
    is_busy: Callable[[], bool],
    second: SecondTier | None = None,
) -> AsyncIterator[BetterFormats]:
    """Open it and let it work, in a render process that starts with the first wish. The shelf must be open.

    *is_busy*: whether covers are made or wait for it in this process.
    """
    processes = render_processes(config, 1, _PATIENCE, _LOWEST)
    sizes = config.size_table.sizes
    maker = DerivativeMaker(shelf.cache, shelf.catalogue, shelf.files, metrics, sizes, config.limits, second)
    making = BetterMaker(
        shelf.catalogue, shelf.cache, second, maker, shelf.stripes, ProcessDecoder(processes), sizes,
        config.limits,
    )  # fmt: skip
    better = BetterFormats(
        config.formats,
        making,
        processes,
        shelf.layout.locks / LOCK,
        metrics,
        is_busy,
        shelf.catalogue.change,
    )
    try:
        async with beside(better.run()):
            yield better
    finally:
        await asyncio.to_thread(better.close)
        processes.close()
