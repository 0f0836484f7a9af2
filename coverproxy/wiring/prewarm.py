"""Builds what a worker process of prewarming needs.

Each worker starts afresh, so this imports nothing that fetches: HTTP takes a third of the start.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from coverproxy.concurrency.process_pool import Work
from coverproxy.config import Config
from coverproxy.domain.formats import Format
from coverproxy.domain.isbn_list import Row
from coverproxy.service.maker import DerivativeMaker
from coverproxy.service.prewarm import Prewarmer, PrewarmResult
from coverproxy.stats.metrics import Metrics
from coverproxy.wiring.data_folder import open_shelf
from coverproxy.wiring.decoding import open_decoder
from coverproxy.wiring.objects import second_tier

_PATIENCE = 10
"""Factor on the time limit for renders in the background."""

_LAST_SECONDS = 60.0
"""How long a command that made covers waits at its end until the object store has them."""


@contextmanager
def open_warmer(
    config: Config, sizes: tuple[str, ...], formats: tuple[Format, ...]
) -> Iterator[Work[Row, PrewarmResult]]:
    """Open prewarming for a list, in a worker process: errors are reported in its results."""
    logging.getLogger("coverproxy").propagate = False
    logging.getLogger("coverproxy").addHandler(logging.NullHandler())
    metrics = Metrics()
    # It runs at low priority, so on a busy machine renders take far longer; that is not the pictures' fault.
    with (
        open_shelf(config) as shelf,
        open_decoder(config, shelf, metrics, _PATIENCE) as (guard, processes),
        second_tier(shelf, metrics, _LAST_SECONDS) as second,
    ):
        known = config.size_table.sizes
        maker = DerivativeMaker(
            shelf.cache, shelf.catalogue, shelf.files, metrics, known, config.limits, second
        )
        wanted = tuple((size, form) for size in sizes for form in formats if form in known[size].formats)
        warmer = Prewarmer(shelf.cache, shelf.room, shelf.stripes, guard, maker, wanted)
        yield Work(warmer.warm, processes.cpu_seconds)
