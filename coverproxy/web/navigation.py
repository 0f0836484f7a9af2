"""Cover addresses opened in a browser window: if there is no cover, a page says why."""

from aiohttp import web

from coverproxy.web.errors import Meaning
from coverproxy.web.pages.page import problem


def page_of(request: web.Request, how: Meaning) -> web.Response:
    """Answer with a page that explains the error; a superfluous trailing slash redirects to the page without
    it.

    Leading slashes are removed with it: `//host/` would lead to another site.
    """
    if how.label == "path" and request.path.endswith("/") and (plain := request.path.strip("/")):
        where = request.rel_url.with_path(f"/{plain}", keep_query=True)
        return web.Response(status=308, headers={"Location": str(where), "Cache-Control": "no-store"})
    page = problem(request, how.status, how.text, how.label)
    page.headers["X-Cover-Status"] = how.label
    return page
