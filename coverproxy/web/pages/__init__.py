"""The pages for people: home, getting a key, a key's use, the service's status, and its administration."""

from collections.abc import Iterator
from functools import partial

from aiohttp import web

from coverproxy.web.pages import (
    admin_books,
    admin_keys,
    admin_service,
    assets,
    getting,
    home,
    session,
    status,
    usage,
)
from coverproxy.web.pages.home import Shown
from coverproxy.web.pages.page import PAGES, Pages

__all__ = ["PAGES", "Pages", "Shown", "routes"]

_PAGES = [
    *assets.routes, *home.routes, *getting.routes, *usage.routes, *status.routes, *session.routes,
    *admin_keys.routes, *admin_books.routes, *admin_service.routes,
]  # fmt: skip


def _allowed() -> Iterator[web.RouteDef]:
    """Answer OPTIONS where forms are sent to; without a word of other sites (CORS): none may send them."""
    methods: dict[str, set[str]] = {}
    for route in _PAGES:
        if isinstance(route, web.RouteDef):
            also = {"HEAD"} if route.method == "GET" else set()
            methods.setdefault(route.path, {"OPTIONS"}).update({route.method} | also)
    for path, names in methods.items():
        if "POST" in names:
            yield web.options(path, partial(_answer, ", ".join(sorted(names))))


async def _answer(allow: str, request: web.Request) -> web.StreamResponse:
    return web.Response(status=204, headers={"Allow": allow})


routes = [*_PAGES, *_allowed()]
