"""Which clients wait for a cover, and how long: browsers that show a page, and programs."""

from collections.abc import Mapping

from coverproxy.accounts.visitor import Visitor
from coverproxy.config import Config
from coverproxy.domain.api_key import Key, KeyRole


def visitor_of(headers: Mapping[str, str], key: Key, config: Config) -> Visitor:
    """Classify the client. A browser that shows a page says so; a client that says nothing is automated.

    A Referer alone does not prolong the wait: programs send it too, and give up after a second.
    How long a program waits is set by its key's role, and so is it for all requests with a key of the role
    "server": one that passes on its readers' headers gives up as early as others.
    """
    shows_page = headers.get("Sec-Fetch-Dest") == "image"
    is_browser = shows_page and key.role != "server"
    waits = config.render.browser_answer_within_seconds if is_browser else _waits(config, key.role)
    return Visitor(key, is_automated=not (shows_page or _has_referer(headers)), waits=waits)


def _waits(config: Config, role: KeyRole) -> float:
    """Return how many seconds a role's program waits; 0: as render.answer_within_seconds says."""
    if role == "server":
        return config.roles.server.answer_within_seconds
    return config.roles.batch.answer_within_seconds if role == "batch" else 0.0


def _has_referer(headers: Mapping[str, str]) -> bool:
    return headers.get("Referer", "").startswith(("http://", "https://"))
