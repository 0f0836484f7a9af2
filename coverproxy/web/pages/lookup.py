"""Catalogue queries off the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from coverproxy.domain.errors import Unavailable
from coverproxy.service.covers import Covers

T = TypeVar("T")


async def asked(covers: Covers, look: Callable[[], T]) -> T:
    """Return the result of *look*. Raises Unavailable if it cannot be read.

    Uses the threads that look up covers, since each thread that queries the catalogue caches pages of it.
    """
    try:
        return await asyncio.get_running_loop().run_in_executor(covers.lookups, look)
    except OSError as exc:
        raise Unavailable("the data folder cannot be read") from exc


async def sources(covers: Covers) -> list[dict[str, Any]]:
    """Return the number of originals by source, and the circuit breaker's state of configured sources.

    "closed": it answers; "open": it is down and not asked; "half-open": it is being tried; None: not
    configured.
    """
    states = covers.asking.states()
    counts = dict(await asked(covers, covers.catalogue.sources))
    names = [*counts, *(name for name in states if name not in counts)]
    return [{"name": name, "originals": counts.get(name, 0), "state": states.get(name)} for name in names]
