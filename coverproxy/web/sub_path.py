"""A service below a path of another site, such as https://library.example.org/covers.

The web server in front takes the path away from what it passes on, so that routes, nginx's locations and the
links of keys stay as they are. What an answer leads to is given the path here, in one place for all pages: of
fifty templates that wrote it themselves one would forget it. The JSON of our own pages is given it by
the names of its values. Snippets, and JSON in the shapes of others, have whole addresses.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from coverproxy.config import Config

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ADDRESSES = frozenset({"admin", "page", "shown", "url"})
"""Names of addresses in the JSON of pages."""

_LINK = re.compile(rb'(\s(?:href|src|action|formaction)=")(?=/(?!/))')
_SET = re.compile(rb'(?<=\ssrcset=")[^"]*(?=")')
_IN_SET = re.compile(rb"(?:^|(?<=[,\s]))(?=/(?!/))")


def around(config: Config) -> list[Middleware]:
    """Return the middleware that a service below a path needs; none for one at a site's root."""
    path = config.front.public_path
    if not path:
        return []

    @web.middleware
    async def below(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        _lead(response, path)
        if isinstance(response, web.Response) and response.content_type == "text/html":
            body = response.body
            response.body = linked(body, path) if isinstance(body, bytes) else body
        return response

    return [below]


def _lead(response: web.StreamResponse, path: str) -> None:
    """Have a redirect and the cookies apply below the path."""
    where = response.headers.get("Location", "")
    if where.startswith("/") and not where.startswith("//"):
        response.headers["Location"] = path + where
    for cookie in response.cookies.values():
        cookie["path"] = (path + cookie["path"]).rstrip("/")


def told_below(data: Any, path: str) -> Any:
    """Return the JSON of a page, its addresses of this service below *path*.

    By their names: what people typed may begin with a slash as well.
    """
    if not path:
        return data
    if isinstance(data, Mapping):
        return {name: _below(name, value, path) for name, value in data.items()}
    return [told_below(each, path) for each in data] if isinstance(data, list | tuple) else data


def _below(name: str, value: Any, path: str) -> Any:
    is_ours = name in _ADDRESSES and isinstance(value, str) and value[:1] == "/" != value[1:2]
    return path + value if is_ours else told_below(value, path)


def linked(page: bytes, path: str) -> bytes:
    """Return an HTML page whose links to this service's own addresses lead below *path*."""
    start = path.encode("ascii")
    page = _LINK.sub(rb"\1" + start, page)
    return _SET.sub(lambda found: _IN_SET.sub(start, found[0]), page)
