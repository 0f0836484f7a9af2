"""The covers on the home page: some that are here, found once for all visitors of some seconds."""

import time
from functools import partial
from typing import NamedTuple

from aiohttp import web

from coverproxy.accounts.self_service import DAY_SECONDS
from coverproxy.concurrency.refreshed import Refreshed
from coverproxy.domain.identifier import ISBN
from coverproxy.domain.item_title import ItemTitle
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier, Wanted
from coverproxy.imaging.transform import target_size
from coverproxy.web.api.page_schemas import ShelfCover
from coverproxy.web.app_keys import CONFIG, COVERS, SHOWN
from coverproxy.web.pages import snippets
from coverproxy.web.paths import path_of, versioned

MOST = 16
"""Covers on the shelf: two rows on a desk's screen; a phone shows the first half."""

KEPT_SECONDS = 10.0
"""How long the shelf is kept: the page is public. What is hidden goes from it within this time."""


class ShelfCovers(NamedTuple):
    """The covers, what they are called, and the versions of the demo's, by ISBN."""

    originals: list[Original]
    titles: dict[Identifier, ItemTitle]
    demo: dict[str, str]


class Shelf(Refreshed[ShelfCovers]):
    """The covers that were found last."""

    def __init__(self) -> None:
        super().__init__(ShelfCovers([], {}, {}), KEPT_SECONDS)


SHELF: web.AppKey[Shelf] = web.AppKey("shelf", Shelf)


async def shelf(request: web.Request) -> list[ShelfCover]:
    """Return what the page shows of each cover. Raises Unavailable."""
    found = await request.app[SHELF].get(partial(_find, request.app))
    size = request.app[CONFIG].sizes[snippets.LIST_SIZE]
    demo = {Identifier(ISBN, book.isbn): ItemTitle(book.title, book.author) for book in request.app[SHOWN]}
    titles = found.titles | demo
    return [_told(each, target_size((each.width, each.height), size), titles) for each in found.originals]


async def _find(app: web.Application) -> ShelfCovers:
    today = int(time.time() // DAY_SECONDS)
    covers = await app[COVERS].shelf(MOST, snippets.LIST_SIZE, today)
    titles = await app[COVERS].titles(each.identifier for each in covers)
    return ShelfCovers(covers, titles, await _versions(app))


async def _versions(app: web.Application) -> dict[str, str]:
    """Return the versions of the demo's covers, by ISBN."""
    books = [Identifier(ISBN, book.isbn) for book in app[SHOWN]]
    return {each.value: cover.version for each, cover in (await app[COVERS].shown(books)).items()}


def demo_versions(app: web.Application) -> dict[str, str]:
    """Return the same as they were found with the shelf, for the addresses on the page."""
    return app[SHELF].found.demo


def is_on_shelf(app: web.Application, wanted: Wanted) -> bool:
    """Return whether a cover is one of those that the page shows, in the size that it shows."""
    shown = {each.identifier for each in app[SHELF].found.originals}
    return wanted.size == snippets.LIST_SIZE and not shown.isdisjoint(wanted.identifiers)


def _told(original: Original, size: tuple[int, int], titles: dict[Identifier, ItemTitle]) -> ShelfCover:
    place = path_of(original.identifier)
    return {
        "identifier": original.identifier.listed,
        "title": str(titles.get(original.identifier, "")),
        "path": place,
        "width": size[0],
        "height": size[1],
        "shown": versioned(f"/try/{snippets.LIST_SIZE}/{place}", original),
    }
