"""OPTIONS where more than GET is taken: what Allow says follows from the routes themselves."""

from collections.abc import Iterable, Iterator
from functools import partial

from aiohttp import web


def allowed(routes: Iterable[web.AbstractRouteDef]) -> Iterator[web.RouteDef]:
    """Give a route for OPTIONS to each path that takes another method than GET.

    The answer says nothing of other sites (CORS): their pages may send nothing there.
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
