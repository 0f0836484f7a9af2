"""The client that makes a request: its site, and whether it is a browser that shows a page."""

from urllib.parse import urlsplit

from aiohttp import web

from coverproxy.accounts.visitor import Visitor
from coverproxy.config import Config
from coverproxy.domain.api_key import Key, KeyRole
from coverproxy.web.app_keys import CONFIG


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
    """Classify the client. A browser that shows a page says so; a client that says nothing is automated.

    A Referer alone does not prolong the wait: programs send it too, and give up after a second.
    How long a program waits is set by its key's role, and so is it for all requests with a key of the role
    "server": one that passes on its readers' headers gives up as early as others.
    """
    shows_page = request.headers.get("Sec-Fetch-Dest") == "image"
    config = request.app[CONFIG]
    is_browser = shows_page and key.role != "server"
    waits = config.render.browser_answer_within_seconds if is_browser else _waits(config, key.role)
    return Visitor(key, is_automated=not (shows_page or _has_referer(request)), waits=waits)


def patience(request: web.Request, key: Key) -> float:
    """Return how many seconds the client waits for a cover."""
    return visitor(request, key).waits or request.app[CONFIG].render.answer_within_seconds


def _waits(config: Config, role: KeyRole) -> float:
    """Return how many seconds a role's program waits; 0: as render.answer_within_seconds says."""
    if role == "server":
        return config.roles.server.answer_within_seconds
    return config.roles.batch.answer_within_seconds if role == "batch" else 0.0


def _has_referer(request: web.BaseRequest) -> bool:
    return request.headers.get("Referer", "").startswith(("http://", "https://"))
