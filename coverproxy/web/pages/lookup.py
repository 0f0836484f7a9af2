"""Blocking work of pages, off the event loop."""

from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from coverproxy.domain.errors import Unavailable
from coverproxy.web.app_keys import LOOKUPS

T = TypeVar("T")


async def asked(request: web.Request, look: Callable[[], T]) -> T:
    """Return the result of *look*. Raises Unavailable if it cannot be read.

    Uses the threads that look up covers, since each thread that queries the catalogue caches pages of it.
    """
    try:
        return await request.app[LOOKUPS].run(look)
    except OSError as exc:
        raise Unavailable("the data folder cannot be read") from exc
