"""Static files of the pages: stylesheet, script, icon, robots.txt."""

from aiohttp import web

from coverproxy.web.pages.page import HEADERS, file

routes = web.RouteTableDef()

_TYPES = {
    "style.css": "text/css; charset=utf-8",
    "upload.js": "text/javascript; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "favicon.svg": "image/svg+xml",
    "robots.txt": "text/plain; charset=utf-8",
}


@routes.get("/style.css")
@routes.get("/page.js")
@routes.get("/upload.js")
@routes.get("/favicon.svg")
@routes.get("/robots.txt")
async def asset(request: web.Request) -> web.StreamResponse:
    """Serve a file; cacheable for an hour, so that an update of the service is soon complete."""
    name = request.path.removeprefix("/")
    headers = HEADERS | {"Content-Type": _TYPES[name], "Cache-Control": "max-age=3600"}
    return web.Response(headers=headers, body=file(name).encode())


@routes.get("/favicon.ico")
async def old_icon(request: web.Request) -> web.StreamResponse:
    """Serve the icon also at its default location; browsers accept any type there."""
    headers = HEADERS | {"Content-Type": _TYPES["favicon.svg"], "Cache-Control": "max-age=86400"}
    return web.Response(headers=headers, body=file("favicon.svg").encode())
