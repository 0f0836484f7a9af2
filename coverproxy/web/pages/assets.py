"""What pages are made of beside their HTML: one stylesheet, one script, an icon; and a word to robots."""

from aiohttp import web

from coverproxy.web.pages.page import HEADERS, file

routes = web.RouteTableDef()

_TYPES = {
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "favicon.svg": "image/svg+xml",
    "robots.txt": "text/plain; charset=utf-8",
}


@routes.get("/style.css")
@routes.get("/page.js")
@routes.get("/favicon.svg")
@routes.get("/robots.txt")
async def asset(request: web.Request) -> web.StreamResponse:
    """Serve one of them; for an hour, so that an update of the service is soon seen whole."""
    name = request.path.removeprefix("/")
    headers = HEADERS | {"Content-Type": _TYPES[name], "Cache-Control": "max-age=3600"}
    return web.Response(headers=headers, body=file(name).encode())


@routes.get("/favicon.ico")
async def old_icon(request: web.Request) -> web.StreamResponse:
    """Give the icon also where browsers look that were told nothing; they take any type there."""
    headers = HEADERS | {"Content-Type": _TYPES["favicon.svg"], "Cache-Control": "max-age=86400"}
    return web.Response(headers=headers, body=file("favicon.svg").encode())
