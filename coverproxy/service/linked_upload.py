"""Uploads by address: a picture on a host that the operator lists, fetched as feeds' links are."""

import asyncio
from collections.abc import AsyncIterator

from coverproxy.config import Upload
from coverproxy.config.base import networks
from coverproxy.domain.errors import BadPicture, TooLarge
from coverproxy.sources.http import FetchBounds, Manner
from coverproxy.sources.links import LinkFetcher, LinkRefused

_IDLE_SECONDS = 10.0


async def linked(url: str, rules: Upload, most: int, agent: str) -> AsyncIterator[bytes]:
    """Yield the picture at *url*, of at most *most* bytes and one; nothing is asked before it is wanted.

    Only from hosts in `rules.hosts`, also after redirects, and at addresses that are public or allowed.
    Raises BadPicture, TooLarge.
    """
    try:
        yield await asyncio.to_thread(_fetched, url, rules, most, agent)
    except LinkRefused as exc:
        if exc.reason == "bytes":
            raise TooLarge(f"the picture has {exc.detail}") from None
        raise BadPicture("link", exc.detail) from None


def _fetched(url: str, rules: Upload, most: int, agent: str) -> bytes:
    """Fetch it on a loop of its own, for one request: uploads at once are few."""
    bounds = FetchBounds(rules.seconds, min(_IDLE_SECONDS, rules.seconds), 1, most)
    fetcher = LinkFetcher(rules.hosts, bounds, Manner(agent, {}, networks(rules.allow)))
    with fetcher.running() as links:
        return links.get(url, most)[0]
