"""The admin page of a book: its originals side by side, its derivatives, and their removal."""

from functools import partial
from typing import Any

from aiohttp import web

from coverproxy.config import Size
from coverproxy.domain import isbn, schemes
from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused, NoCover, NotAnIdentifier
from coverproxy.domain.original import DIGEST_BYTES, Original
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.service.covers import Covers
from coverproxy.web.app_keys import COVERS
from coverproxy.web.pages import forms
from coverproxy.web.pages.lookup import asked
from coverproxy.web.pages.page import HEADERS, shown
from coverproxy.web.pages.session import admin, form, who
from coverproxy.web.pages.usage import iso

routes = web.RouteTableDef()

PREVIEW = Size(width=200, height=300)
"""Size in which originals are shown side by side."""

MOST_ORIGINALS = 50


@routes.get("/admin/book")
@admin
async def book(request: web.Request) -> web.StreamResponse:
    """Show what is known about the ISBN, or scheme:value, in `?isbn=`."""
    return await _page(request, request.query.get("isbn", "").strip())


async def _page(request: web.Request, typed: str, purged: int | None = None) -> web.Response:
    data: dict[str, Any] = {"asked": typed[:200], "why": None, "books": [], "purged": purged}
    try:
        reading = schemes.read(typed) if typed else None
    except NotAnIdentifier as exc:
        data["why"], reading = exc.why, None
    covers = request.app[COVERS]
    for each in reading.identifiers if reading else ():
        data["books"].append(await asked(covers, partial(_known, covers, each)))
    return shown(request, "admin_book.html", data, token=forms.token(request, who(request)))


def _known(covers: Covers, identifier: Identifier) -> dict[str, Any]:
    """Return everything about an identifier and its item. Blocks."""
    names = covers.catalogue.aliases.names(identifier)
    found = covers.catalogue.of_item(identifier)[:MOST_ORIGINALS]
    return {
        "name": identifier.listed,
        "isbn10": isbn.to_isbn10(identifier.value) if identifier.scheme == ISBN else None,
        "linked": [each.listed for each in names if each != identifier],
        "originals": [_original(covers, each) for each in found],
        "derivatives": list(_derivatives(covers, names[0])),
    }


def _original(covers: Covers, each: Original) -> dict[str, Any]:
    return {
        "of": each.identifier.listed, "digest": each.digest.hex(),
        "width": each.width, "height": each.height, "bytes": each.bytes, "type": each.loader.value,
        "source": each.source, "date": iso(each.date), "fault": each.fault,
        "is_held": each.is_held, "is_present": covers.files.path(each).exists(),
    }  # fmt: skip


def _derivatives(covers: Covers, identifier: Identifier) -> Any:
    for each in covers.cache.held(identifier):
        yield {
            "size": each.size, "format": each.format, "bytes": each.stat.st_size,
            "made": iso(int(each.stat.st_ctime)), "is_live": each.is_live,
        }  # fmt: skip


@routes.post("/admin/book")
@admin
async def purge(request: web.Request) -> web.StreamResponse:
    """Remove a book's derivatives; they are made again on request."""
    fields = await form(request)
    try:
        reading = schemes.read(fields.get("isbn", ""))
    except NotAnIdentifier as exc:
        raise KeyRequestRefused(KeyRequestReason.FIELD, "isbn") from exc
    purged = [await request.app[COVERS].purge(each) for each in reading.identifiers]
    return await _page(request, fields["isbn"].strip(), sum(purged))


@routes.get("/admin/original/{digest:[0-9a-f]{32}}")
@admin
async def preview(request: web.Request) -> web.StreamResponse:
    """Show one original of the item in `?isbn=`, small.

    It is rendered as a cover is: what came in from outside is never sent as it is.
    """
    covers = request.app[COVERS]
    digest = bytes.fromhex(request.match_info["digest"])[:DIGEST_BYTES]
    try:
        identifier = schemes.read(request.query.get("isbn", "")).identifiers[0]
    except NotAnIdentifier as exc:
        raise NoCover("there is no such original") from exc
    found = await asked(covers, partial(covers.catalogue.of_item, identifier))
    original = next((each for each in found if each.digest == digest and not each.is_held), None)
    if original is None:
        raise NoCover("there is no such original")
    body = await covers.preview(original, PREVIEW)
    headers = HEADERS | {"Content-Type": "image/jpeg", "Cache-Control": "private, max-age=3600"}
    return web.Response(headers=headers, body=body)
