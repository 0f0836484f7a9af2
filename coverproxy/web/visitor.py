"""Who asks, as the request says: from which site, and whether a browser shows a page."""

from urllib.parse import urlsplit

from aiohttp import web

from coverproxy.accounts.accounts import Visitor
from coverproxy.domain.api_key import Key


def site(request: web.BaseRequest) -> str | None:
    """Return the host of the page that asks, by Referer or Origin; None where the client does not say."""
    for name in ("Referer", "Origin"):
        try:
            parts = urlsplit(request.headers.get(name, ""))
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname.lower()
    return None


def visitor(request: web.BaseRequest, key: Key) -> Visitor:
    """Say who asks. A browser that shows a page says so; a client that says nothing is a program."""
    is_browser = request.headers.get("Sec-Fetch-Dest") == "image" or _has_referer(request)
    return Visitor(key, is_automated=not is_browser)


def _has_referer(request: web.BaseRequest) -> bool:
    return request.headers.get("Referer", "").startswith(("http://", "https://"))
