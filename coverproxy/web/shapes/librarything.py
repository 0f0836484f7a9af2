"""GET /devkey/{key}/{size}/{scheme}/{value}: the main address of the service."""

import re

from aiohttp import web

from coverproxy.domain import schemes, spec
from coverproxy.domain.errors import MalformedPath
from coverproxy.web import answers, sizes
from coverproxy.web.app_keys import ACCOUNTS, KEY, SIZES
from coverproxy.web.serve import formats_of, serve
from coverproxy.web.visitor import site

routes = web.RouteTableDef()


# Every path without a route of its own: doubled slashes before "devkey" still make a cover's path.
@routes.get("/{path:.*}")
async def cover(request: web.Request) -> web.StreamResponse:
    """Serve one cover: read the request, then ask the service. No decisions here."""
    name, size, scheme, value = split(request.match_info["path"])
    key = request[KEY] = await request.app[ACCOUNTS].authorize(name, site(request))
    named, is_wish = sizes.asked(sizes.sizes_for(request, key), size, request.query)
    wanted = spec.parse(named, value, formats_of(request, named), scheme)
    called = request.app[SIZES].rung(named) if is_wish else ""
    return await serve(request, key, wanted, own=not is_wish, called=called)


@routes.options("/{path:.*}")
async def preflight(request: web.Request) -> web.StreamResponse:
    """Answer preflights (CORS) the same way for every path, which reveals nothing."""
    headers = answers.COMMON | answers.PREFLIGHT | {"X-Cover-Status": "options"}
    return answers.send(answers.Answer(204, headers, b""))


_PATH = re.compile(r"/*devkey/+([^/]+)/+([^/]+)/+([^/]+)/+(.*)", re.DOTALL)


def split(path: str) -> tuple[str, str, str, str]:
    """Split `devkey/{key}/{size}/{scheme}/{value}`; doubled slashes are tolerated.

    Raises MalformedPath, UnknownScheme.
    """
    found = _PATH.fullmatch(path)
    if found is None or not found[4].strip("/"):
        raise MalformedPath("expected /devkey/KEY/SIZE/isbn/ISBN, or another scheme than isbn")
    key, size, name, value = found.groups()
    scheme = schemes.named(name)
    if not scheme.has_slashes and "/" in value.strip("/"):
        raise MalformedPath(f"{scheme.title} contains no slash")
    return key, size.lower(), scheme.name, value
