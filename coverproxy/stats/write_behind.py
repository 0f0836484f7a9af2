"""Writes what accumulated in memory, in the background of a block: no answer waits for it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from coverproxy import log
from coverproxy.concurrency.background import beside
from coverproxy.domain.errors import Unavailable


@asynccontextmanager
async def written_every(
    seconds: float, write: Callable[[], Awaitable[None]], logger: logging.Logger, fault: str
) -> AsyncIterator[None]:
    """Call *write* again and again while the block runs, and once more at the end.

    Where it raises Unavailable, *fault* is logged, and the next call tries again.
    """

    async def writing() -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await write()
            except Unavailable as exc:
                log.fault(logger, fault, exc)

    try:
        async with beside(writing()):
            yield
    finally:
        with contextlib.suppress(Unavailable):
            await write()
