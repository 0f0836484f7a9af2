"""Questions to the catalogue, asked beside the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from coverproxy.domain.errors import Unavailable
from coverproxy.service.covers import Covers

T = TypeVar("T")


async def asked(covers: Covers, look: Callable[[], T]) -> T:
    """Return what *look* finds. Raises Unavailable where it cannot be read.

    In the threads that look up covers, as each thread that asks the catalogue keeps pages of it in memory.
    """
    try:
        return await asyncio.get_running_loop().run_in_executor(covers.lookups, look)
    except OSError as exc:
        raise Unavailable("what is kept here cannot be read") from exc


async def sources(covers: Covers) -> list[dict[str, Any]]:
    """Return how many originals each source gave, and of those that are asked whether they answer.

    "closed": it does; "open": it is down, and left alone; "half-open": it is tried again; None: not asked.
    """
    states = covers.asking.states()
    counts = dict(await asked(covers, covers.catalogue.sources))
    names = [*counts, *(name for name in states if name not in counts)]
    return [{"name": name, "originals": counts.get(name, 0), "state": states.get(name)} for name in names]
