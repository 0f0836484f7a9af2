"""The admin page of the service: quarantine and release, the cache's size, and the sources."""

from aiohttp import web

from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused
from coverproxy.domain.moment import iso
from coverproxy.domain.original import DIGEST_BYTES, Quarantined
from coverproxy.service.book_json import original_as_json
from coverproxy.web.api.admin_schemas import AdminQuarantined, AdminService
from coverproxy.web.app_keys import CONFIG, COVERS
from coverproxy.web.pages import forms
from coverproxy.web.pages.page import shown
from coverproxy.web.pages.session import admin, form, who
from coverproxy.web.pages.status import source_as_json

routes = web.RouteTableDef()


@routes.get("/admin/service")
@admin
async def service(request: web.Request) -> web.StreamResponse:
    """Show the page."""
    return await _page(request)


async def _page(request: web.Request, released: int | None = None) -> web.Response:
    covers, config = request.app[COVERS], request.app[CONFIG]
    room = await covers.room()
    data: AdminService = {
        "faults": await covers.health(),
        "cache": {
            "held_bytes": room.held_bytes,
            "free_bytes": room.free_bytes,
            "max_bytes": config.cache.max_bytes,
            "min_free_bytes": config.cache.min_free_bytes,
        },
        "sources": [source_as_json(each) for each in await covers.sources()],
        "quarantined": [_told(each) for each in await covers.quarantined()],
        "corrupt": [original_as_json(each, is_shown=False) for each in await covers.corrupt()],
        "released": released,
    }
    return shown(request, "admin_service.html", data, token=forms.token(request, who(request)))


def _told(each: Quarantined) -> AdminQuarantined:
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
    return await _page(request, await request.app[COVERS].release(bytes.fromhex(digest)))
