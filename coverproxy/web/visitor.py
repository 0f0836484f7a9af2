"""The client that makes a request: its site, and whether it is a browser that shows a page."""

from urllib.parse import urlsplit

from aiohttp import web

from coverproxy.accounts.visitor import Visitor
from coverproxy.domain.api_key import Key
from coverproxy.web.app_keys import CONFIG
from coverproxy.web.clients import visitor_of


def site(request: web.BaseRequest) -> str | None:
    """Return the host of the requesting page, by Referer or Origin; None if the client does not say."""
    for name in ("Referer", "Origin"):
        try:
            parts = urlsplit(request.headers.get(name, ""))
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname.lower()
    return None


def visitor(request: web.Request, key: Key) -> Visitor:
    """Classify the client: see clients.visitor_of()."""
    return visitor_of(request.headers, key, request.app[CONFIG])


def patience(request: web.Request, key: Key) -> float:
    """Return how many seconds the client waits for a cover."""
    return visitor(request, key).waits or request.app[CONFIG].render.answer_within_seconds
