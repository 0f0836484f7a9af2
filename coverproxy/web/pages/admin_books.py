"""The admin page of a book: its originals side by side, its derivatives, and their removal."""

import asyncio
from functools import partial

from aiohttp import web

from coverproxy.cache.disk import HeldFile
from coverproxy.config import Size
from coverproxy.domain import isbn, schemes
from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused, NoCover, NotAnIdentifier
from coverproxy.domain.moment import iso
from coverproxy.domain.original import DIGEST_BYTES
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.service.book_json import book_as_json, deed_as_json, original_as_json
from coverproxy.service.curate import Curator
from coverproxy.service.holdings import BookHoldings, HeldOriginal
from coverproxy.web.api.admin_schemas import AdminBook, AdminDerivative, AdminItem, AdminOriginal
from coverproxy.web.app_keys import COVERS, CURATOR, DESK
from coverproxy.web.pages import forms
from coverproxy.web.pages.lookup import asked
from coverproxy.web.pages.page import HEADERS, shown
from coverproxy.web.pages.session import admin, form, who

routes = web.RouteTableDef()

PREVIEW = Size(width=200, height=300)
"""Size in which originals are shown side by side."""

MOST_DEEDS = 50


@routes.get("/admin/book")
@admin
async def book(request: web.Request) -> web.StreamResponse:
    """Show what is known about the ISBN, or scheme:value, in `?isbn=`."""
    return await page(request, request.query.get("isbn", "").strip())


async def page(
    request: web.Request, typed: str, *, purged: int | None = None, done: str = "", fault: str = ""
) -> web.Response:
    """Show the books that *typed* can mean. *done*: the act just done; *fault*: why it was not."""
    data: AdminBook = {
        "asked": typed[:200], "why": None, "books": [], "purged": purged, "done": done, "fault": fault,
    }  # fmt: skip
    try:
        reading = schemes.read(typed) if typed else None
    except NotAnIdentifier as exc:
        data["why"], reading = exc.why, None
    for each in reading.identifiers if reading else ():
        held = await request.app[COVERS].book(each)
        own = (await request.app[COVERS].titles([each])).get(each)
        said = "" if own else await asyncio.to_thread(request.app[DESK].notes.title_of, each.listed)
        title = str(own) if own else said
        data["books"].append(await asked(request, partial(_known, request.app[CURATOR], each, held, title)))
    return shown(request, "admin_book.html", data, token=forms.token(request, who(request)))


def _known(curator: Curator, identifier: Identifier, held: BookHoldings, title: str) -> AdminItem:
    """Return everything about an identifier and its item. Blocks."""
    known = curator.book(identifier)
    here = {each.digest for each in known.originals}
    told = book_as_json(known)
    return {
        "name": identifier.listed,
        "title": title,
        "isbn10": isbn.to_isbn10(identifier.value) if identifier.scheme == ISBN else None,
        "linked": [each.listed for each in held.names if each != identifier],
        "hidden": told["hidden"],
        "originals": [_original(each, is_shown=each.original == known.best) for each in held.originals],
        "hidden_digests": {
            digest: said
            for digest, said in told["hidden_digests"].items()
            if bytes.fromhex(digest) not in here
        },
        "history": [deed_as_json(each) for each in curator.history(identifier)[:MOST_DEEDS]],
        "derivatives": [_derivative(each) for each in held.derivatives],
    }


def _original(held: HeldOriginal, *, is_shown: bool) -> AdminOriginal:
    each = held.original
    return {
        **original_as_json(each, is_shown=is_shown),
        "of": each.identifier.listed,
        "is_held": each.is_held,
        "is_present": held.is_present,
        "elsewhere": [one.listed for one in held.elsewhere],
    }


def _derivative(each: HeldFile) -> AdminDerivative:
    return {
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
    return await page(request, fields["isbn"].strip(), purged=sum(purged))


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
    original = await covers.original(identifier, digest)
    if original is None:
        raise NoCover("there is no such original")
    body = await covers.preview(original, PREVIEW)
    headers = HEADERS | {"Content-Type": "image/jpeg", "Cache-Control": "private, max-age=3600"}
    return web.Response(headers=headers, body=body)
