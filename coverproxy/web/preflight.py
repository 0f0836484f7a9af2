"""OPTIONS on paths with more than GET: the Allow header follows from the routes."""

from collections.abc import Iterable, Iterator
from functools import partial

from aiohttp import web


def allowed(routes: Iterable[web.AbstractRouteDef]) -> Iterator[web.RouteDef]:
    """Yield an OPTIONS route for each path that takes a method other than GET.

    The answer has no CORS headers: pages of other sites must not send anything there.
    """
    methods: dict[str, set[str]] = {}
    for route in routes:
        if isinstance(route, web.RouteDef):
            also = {"HEAD"} if route.method == "GET" else set()
            methods.setdefault(route.path, {"OPTIONS"}).update({route.method} | also)
    for path, names in methods.items():
        if names - {"GET", "HEAD", "OPTIONS"}:
            yield web.options(path, partial(_answer, ", ".join(sorted(names))))


async def _answer(allow: str, request: web.Request) -> web.StreamResponse:
    return web.Response(status=204, headers={"Allow": allow})
