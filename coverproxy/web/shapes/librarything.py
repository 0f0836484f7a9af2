"""GET /devkey/{key}/{size}/isbn/{isbn}: the address that the whole service exists for."""

from aiohttp import web

from coverproxy.domain import spec
from coverproxy.domain.errors import MalformedPath
from coverproxy.web import answers, sizes
from coverproxy.web.app_keys import CONFIG, COVERS, KEY, SIZES
from coverproxy.web.serve import serve
from coverproxy.web.visitor import site

routes = web.RouteTableDef()


# Every path that no other route has: doubled slashes before "devkey" are a cover's path all the same.
@routes.get("/{path:.*}")
async def cover(request: web.Request) -> web.StreamResponse:
    """Serve one cover: who asks, what for, then ask the service. No decisions live here."""
    covers, config = request.app[COVERS], request.app[CONFIG]
    name, size, isbn = split(request.match_info["path"])
    key = request[KEY] = await covers.accounts.authorize(name, site(request))
    named, is_wish = sizes.asked(request.app[SIZES], size, request.query)
    wanted = spec.parse(named, isbn, config.formats.enabled)
    called = request.app[SIZES].rung(named) if is_wish else ""
    return await serve(request, key, wanted, own=not is_wish, called=called)


@routes.options("/{path:.*}")
async def preflight(request: web.Request) -> web.StreamResponse:
    """Say what may be asked from another site (CORS), whatever the path: that tells nothing."""
    headers = answers.COMMON | answers.PREFLIGHT | {"X-Cover-Status": "options"}
    return answers.send(answers.Answer(204, headers, b""))


def split(path: str) -> tuple[str, str, str]:
    """Split `devkey/{key}/{size}/isbn/{isbn}`; doubled slashes do no harm. Raises MalformedPath."""
    match [part for part in path.split("/") if part]:
        case ["devkey", key, size, scheme, isbn] if scheme.lower() == spec.ISBN:
            return key, size.lower(), isbn
    raise MalformedPath("expected /devkey/KEY/SIZE/isbn/ISBN")
