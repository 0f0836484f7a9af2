"""GET /devkey/{key}/{size}/isbn/{isbn}: the address that the whole service exists for."""

from urllib.parse import urlsplit

from aiohttp import web

from coverproxy.accounts.accounts import Visitor
from coverproxy.domain import spec
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import MalformedPath, UnknownSize
from coverproxy.domain.spec import Spec
from coverproxy.web import answers
from coverproxy.web.accept import accepted, negotiate
from coverproxy.web.app_keys import CONFIG, COVERS, HOT, KEY, SPEC

routes = web.RouteTableDef()


# Every path that no other route has: doubled slashes before "devkey" are a cover's path all the same.
@routes.get("/{path:.*}")
async def cover(request: web.Request) -> web.StreamResponse:
    """Serve one cover: who asks, what for, then ask the service. No decisions live here."""
    covers, config = request.app[COVERS], request.app[CONFIG]
    name, size, isbn = split(request.match_info["path"])
    key = request[KEY] = await covers.accounts.authorize(name, site(request))
    if size not in config.sizes:
        raise UnknownSize(size, tuple(config.sizes))
    wanted = spec.parse(size, isbn, config.formats.enabled)
    form = wanted.forced or negotiate(accepted(request.headers), config.formats.enabled)
    request[SPEC] = str(Spec(wanted.identifiers[0], size, form))
    found = await covers.cover(wanted, form, visitor(request, key))
    if (hot := request.app[HOT]) and found.held:
        hot.learn(request, key, found.held)
    label = "made" if found.is_made else "hit"
    answer = answers.picture(found.derivative, label, config.answers, request, x_accel=config.front.x_accel)
    return answers.send(answer)


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


def site(request: web.BaseRequest) -> str | None:
    """Return the host of the page that asks, by Referer or Origin; None where the client does not tell."""
    for name in ("Referer", "Origin"):
        try:
            parts = urlsplit(request.headers.get(name, ""))
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname.lower()
    return None


def visitor(request: web.BaseRequest, key: Key) -> Visitor:
    """Say who asks. A browser showing a page tells so; what tells nothing is a program."""
    is_browser = request.headers.get("Sec-Fetch-Dest") == "image" or _has_referer(request)
    return Visitor(key, is_automated=not is_browser)


def _has_referer(request: web.BaseRequest) -> bool:
    return request.headers.get("Referer", "").startswith(("http://", "https://"))
