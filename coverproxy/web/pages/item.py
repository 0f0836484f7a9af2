"""The page of one item: its cover large, every size and format, HTML to copy, where it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from coverproxy.domain.editions import EditionLink
from coverproxy.domain.errors import MalformedPath, NotAnIdentifier
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.item_title import ItemTitle
from coverproxy.domain.moment import iso
from coverproxy.domain.original import Original
from coverproxy.domain.schemes import ALL, read
from coverproxy.service.cover_info import Fit, Known
from coverproxy.web import languages
from coverproxy.web.api.page_schemas import (
    ItemEdition,
    ItemOriginal,
    ItemPage,
    ItemSize,
    LinkedName,
    UnknownItem,
)
from coverproxy.web.app_keys import CONFIG, COVERS, SHOWN
from coverproxy.web.client_ip import base_url
from coverproxy.web.pages import snippets
from coverproxy.web.pages.home import MOST_TYPED, NO_KEY, tries_left
from coverproxy.web.pages.page import person, shown, texts_for
from coverproxy.web.pages.snippets import SnippetPicture
from coverproxy.web.paths import path_of, versioned

routes = web.RouteTableDef()

_SEVERAL = "it can mean several items"

MOST_EDITIONS = 24
"""Other editions on the page: the closest that have a cover."""


@dataclass(frozen=True, slots=True)
class ItemPaths:
    """Where an item's things are. `name`: its end of our addresses. `start`: that of addresses to copy."""

    name: str
    start: str


@routes.get("/item")
@person
async def find(request: web.Request) -> web.StreamResponse:
    """Lead on to the page of what was typed into `?q=`: an ISBN in any spelling, or scheme:value."""
    typed = request.query.get("q", "").strip()[:MOST_TYPED]
    try:
        reading = read(typed)
    except NotAnIdentifier as exc:
        return _unknown(request, typed, exc.why)
    # of several meanings the one that has a cover, as in covers
    found = await request.app[COVERS].best(reading)
    if found is None and reading.only_one:
        return _unknown(request, typed, _SEVERAL, reading.identifiers)
    meant = found.identifier if found else reading.sure or reading.identifiers[0]
    where = languages.onward(request, f"/item/{path_of(meant)}")
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})


@routes.get(r"/item/{scheme}/{value:[\s\S]+}")
@person
async def item(request: web.Request) -> web.StreamResponse:
    """Show the item. Raises MalformedPath for an unknown scheme."""
    scheme, value = request.match_info["scheme"].lower(), request.match_info["value"]
    if scheme not in ALL and not scheme.startswith("local:"):
        raise MalformedPath(f"{scheme[:32]!r} is not a scheme; expected one of {', '.join(ALL)}")
    known = await request.app[COVERS].info(value[:MOST_TYPED], scheme)
    if known.why or known.identifier is None:
        can_mean = known.reading.identifiers if known.reading else ()
        return _unknown(request, value[:MOST_TYPED], known.why or _SEVERAL, can_mean)
    editions = await request.app[COVERS].editions(known.identifier, MOST_EDITIONS)
    covers = await request.app[COVERS].shown(each.other for each in editions)
    beside = [_edition(each, covers.get(each.other)) for each in editions]
    title = _shown_title(request, known.identifier, await request.app[COVERS].titles([known.identifier]))
    data = _told(request, known, known.identifier, beside, await tries_left(request), title)
    return shown(request, "item.html", data, status=200 if known.has_cover else 404)


def _unknown(request: web.Request, asked: str, why: str, can_mean: Sequence[Identifier] = ()) -> web.Response:
    names: list[LinkedName] = [{"name": each.listed, "path": path_of(each)} for each in can_mean]
    data: UnknownItem = {"asked": asked, "why": why, "can_mean": names}
    return shown(request, "item_unknown.html", data, status=404)


def _told(
    request: web.Request, known: Known, named: Identifier, editions: list[ItemEdition], left: int,
    title: ItemTitle | None,
) -> ItemPage:  # fmt: skip
    """Return the item as JSON. *left*: new covers that visitors may still have made today."""
    place = ItemPaths(path_of(named), f"{base_url(request)}/devkey/{NO_KEY}")
    fits = {name: fit for name, fit in (known.sizes or {}).items() if fit}
    usual = [name for name in request.app[CONFIG].usual_sizes if name in fits]
    pictures = [
        SnippetPicture(name, *fits[name].size, f"{place.start}/{name}/{place.name}") for name in usual
    ]
    sizes = {name: _size(name, fit, place, known.original) for name, fit in fits.items()}
    has_list_size = any(each.name == snippets.LIST_SIZE for each in pictures)
    return {
        "identifier": str(named),
        "title": title.title if title else "",
        "author": title.author if title else "",
        "is_isbn": named.scheme == ISBN,
        "path": place.name,
        "names": [str(each) for each in known.names],
        "linked": [{"name": str(each), "path": path_of(each)} for each in known.names if each != named],
        "has_cover": known.has_cover,
        "original": _original(known.original) if known.original else None,
        "sizes": [*sizes.values()],
        "shown": sizes[usual[-1]] if usual else None,
        "html": snippets.html_sharp(pictures, _alt(request, title)) if has_list_size else "",
        "admin": f"/admin/book?isbn={quote(named.listed, safe='')}",
        "editions": editions,
        "tries_left": left,
    }


def _alt(request: web.Request, title: ItemTitle | None) -> str:
    text = texts_for(request)
    return text("item.cover_of", item=str(title)) if title else text("item.alt")


def _shown_title(
    request: web.Request, named: Identifier, known: Mapping[Identifier, ItemTitle]
) -> ItemTitle | None:
    """Return what the demo or an import calls the item.

    What requests call an item (`?title=`) is for those who know who asks: on a page for everybody it would be
    a stranger's headline.
    """
    books = (book for book in request.app[SHOWN] if named == Identifier(ISBN, book.isbn))
    own = next((ItemTitle(book.title, book.author) for book in books), None)
    return own or known.get(named)


def _edition(link: EditionLink, cover: Original | None) -> ItemEdition:
    place = path_of(link.other)
    here = f"/try/{snippets.LIST_SIZE}/{place}"
    return {
        "identifier": str(link.other), "relation": link.relation, "path": place,
        "shown": versioned(here, cover) if cover else here,
    }  # fmt: skip


def _original(original: Original) -> ItemOriginal:
    return {
        "width": original.width, "height": original.height, "bytes": original.bytes,
        "type": original.loader.value, "source": original.source, "added": iso(original.added // 1000),
        "date": iso(original.date), "licence": original.terms.licence,
    }  # fmt: skip


def _size(name: str, fit: Fit, place: ItemPaths, original: Original | None) -> ItemSize:
    width, height = fit.size
    here = f"/try/{name}/{place.name}"
    return {
        "name": name, "width": width, "height": height,
        "shown": versioned(here, original) if original else here, "url": f"{place.start}/{name}/{place.name}",
        "formats": {form.value: length for form, length in fit.bytes.items()},
    }  # fmt: skip
