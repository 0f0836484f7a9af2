"""The admin page of the service: quarantine and release, the cache's size, and the sources."""

import time
from functools import partial
from typing import Any

from aiohttp import web

from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused
from coverproxy.domain.original import DIGEST_BYTES, Quarantined
from coverproxy.originals.changes import release as release_bytes
from coverproxy.service.book_json import original_as_json
from coverproxy.service.covers import Covers
from coverproxy.service.invalidate import drop_stale
from coverproxy.web.app_keys import CONFIG, COVERS, DESK
from coverproxy.web.page_context import PageContext
from coverproxy.web.pages import forms
from coverproxy.web.pages.lookup import asked, sources
from coverproxy.web.pages.page import shown
from coverproxy.web.pages.session import admin, form, who
from coverproxy.web.pages.usage import iso

routes = web.RouteTableDef()

MOST_QUARANTINED = 100
MOST_CORRUPT = 50


@routes.get("/admin/service")
@admin
async def service(request: web.Request) -> web.StreamResponse:
    """Show the page."""
    return await _page(request)


async def _page(request: web.Request, released: int | None = None) -> web.Response:
    covers, desk, config = request.app[COVERS], request.app[DESK], request.app[CONFIG]
    quarantined, corrupt, cache = await asked(covers, partial(_found, covers, desk))
    data: dict[str, Any] = {
        "faults": await covers.check(),
        "cache": cache | {"max_bytes": config.cache.max_bytes, "min_free_bytes": config.cache.min_free_bytes},
        "sources": await sources(covers),
        "quarantined": quarantined,
        "corrupt": corrupt,
        "released": released,
    }
    return shown(request, "admin_service.html", data, token=forms.token(request, who(request)))


def _found(
    covers: Covers, desk: PageContext
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, int]]:
    """Look up what is quarantined, what is corrupt, and the cache's size. Blocks."""
    quarantined = [_told(each) for each in covers.catalogue.quarantined()[:MOST_QUARANTINED]]
    cache = {"held_bytes": desk.room.held(), "free_bytes": desk.room.free().bytes}
    corrupt = [original_as_json(each, is_shown=False) for each in covers.catalogue.corrupt(MOST_CORRUPT)]
    return quarantined, corrupt, cache


def _told(each: Quarantined) -> dict[str, Any]:
    return {
        "digest": each.digest.hex(),
        "isbns": [original.identifier.listed for original in each.originals][:20],
        "reason": each.reason,
        "at": iso(each.at),
    }


@routes.post("/admin/service")
@admin
async def release(request: web.Request) -> web.StreamResponse:
    """Let a quarantined original be decoded again."""
    digest = (await form(request)).get("digest", "")
    if len(digest) != 2 * DIGEST_BYTES or set(digest) - set("0123456789abcdef"):
        raise KeyRequestRefused(KeyRequestReason.FIELD, "digest")
    covers = request.app[COVERS]
    freed = await asked(covers, partial(_release, covers, bytes.fromhex(digest)))
    return await _page(request, freed)


def _release(covers: Covers, digest: bytes) -> int:
    freed = release_bytes(covers.catalogue, digest, int(time.time()))
    drop_stale(covers.catalogue, covers.cache, covers.stripes, covers.sizes)
    return len(freed)
