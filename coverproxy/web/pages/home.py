"""The home page: what this is, a field to try an ISBN, how to use it, and the demo's covers."""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from coverproxy.accounts.visitor import Visitor
from coverproxy.domain import isbn, schemes, spec
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import KeyNotForSite, NoSuchSize, NotAnIdentifier
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Wanted
from coverproxy.imaging.transform import target_size
from coverproxy.web import answers, languages
from coverproxy.web.api.page_schemas import HomePage
from coverproxy.web.api.schemas import TriedItem, TriedOriginal, TriedSize
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, COVERS, SHOWN
from coverproxy.web.client_ip import base_url
from coverproxy.web.pages import forms, snippets
from coverproxy.web.pages.page import is_for_program, person, shown, texts_for
from coverproxy.web.pages.shelf import demo_versions, is_on_shelf, shelf
from coverproxy.web.pages.snippets import SnippetPicture
from coverproxy.web.paths import path_of, versioned
from coverproxy.web.serve import formats_of, forms_for
from coverproxy.web.shapes import chilifresh
from coverproxy.web.visitor import site, visitor

routes = web.RouteTableDef()

NO_KEY = "YOUR-KEY"
"""Placeholder for the reader's own key in an address."""

MOST_TYPED = 200
"""Most characters of a typed ISBN that are shown again."""

_SAMPLED = 8
"""Number of originals sampled for an example ISBN."""

_TRY = "try"
"""The account for covers of the home page: no real key's name is this short."""


_SHELF = "shelf"
"""The account for covers of the home page's shelf."""

_SHELF_LIMIT = 1000
"""New covers a day for the shelf: more than it has in a day, for all processes together."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A book on the home page, with the key for its covers."""

    isbn: str
    title: str
    author: str
    key: str
    has_cover: bool = True


@routes.get("/")
async def root(request: web.Request) -> web.StreamResponse:
    """Show the home page; or serve a cover to a client of ChiliFresh, whose path is /."""
    if "chilifresh" not in request.app[CONFIG].shapes.off and chilifresh.is_meant(request):
        return await chilifresh.at_root(request)
    return await home(request)


@person
async def home(request: web.Request) -> web.StreamResponse:
    """Show the home page; `?isbn=` leads people on to the item; programs get it as JSON."""
    typed = request.query.get("isbn", "").strip()
    if typed and not is_for_program(request):  # the page of an item says more than this one did
        where = languages.onward(request, "/item", {"q": typed[:MOST_TYPED]})
        return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})
    told = await _told(request)  # first: it finds the versions, too
    demo: dict[str, Any] = {"shown": request.app[SHOWN], "versions": demo_versions(request.app)}
    return shown(request, "home.html", told, is_shared=True, **demo)


async def _told(request: web.Request) -> HomePage:
    """Return what the service is, and what it has. Raises Unavailable."""
    config, base = request.app[CONFIG], base_url(request)
    originals, isbns = await request.app[COVERS].totals()
    return {
        "name": config.site.name,
        "operator": config.site.operator,
        "contact": config.site.contact,
        "covers": originals,
        "isbns": isbns,
        "url": f"{base}/devkey/KEY/SIZE/isbn/ISBN",
        "sizes": {name: {"width": size.width, "height": size.height} for name, size in config.sizes.items()},
        "usual": [*config.usual_sizes],
        "formats": sorted(form.value for form in config.formats.enabled),
        "daily_limit": config.quota.daily_limit,
        "signup": config.signup.mode,
        "catalogues": snippets.of_catalogues(base, NO_KEY, snippets.LIST_SIZE),
        "example": (await example(request))[0],
        "shelf": await shelf(request),
        "tried": await tried(request, f"{base}/devkey/{NO_KEY}", "/try"),
    }


async def tried(request: web.Request, start: str, shown_at: str) -> TriedItem | None:
    """Describe the ISBN, or scheme:value, that a visitor typed; None: nothing was typed.

    *start*: the beginning of the addresses to copy; *shown_at*: that of the addresses used on this page.
    """
    typed = request.query.get("isbn", "").strip()
    if not typed:
        return None
    told: TriedItem = {
        "asked": typed[:MOST_TYPED], "name": None, "isbn13": None, "isbn10": None, "why": None,
        "has_cover": False, "sizes": [],
    }  # fmt: skip
    try:
        reading = schemes.read(typed)
    except NotAnIdentifier as exc:
        told["why"] = exc.why
        return told
    found = await request.app[COVERS].best(reading)
    meant = found.identifier if found else reading.sure
    value = meant.value if meant and meant.scheme == ISBN else None
    told["isbn13"], told["isbn10"] = value, isbn.to_isbn10(value) if value else None
    told["name"] = meant.listed if meant else None
    if shown_at == "/try":
        told["tries_left"] = await tries_left(request)
    if found:
        told["has_cover"] = True
        _add_pictures(told, request, found, start, shown_at)
    return told


async def tries_left(request: web.Request) -> int:
    """Return how many new covers this site's own pages may still make today for the visitor."""
    key, accounts = _home_key(request), request.app[ACCOUNTS]
    is_used_up = await accounts.shared.is_used_up(key, forms.address(request))
    return 0 if is_used_up else accounts.allowance(key).left


def _home_key(request: web.Request) -> Key:
    return Key(_TRY, "home page", request.app[CONFIG].site.try_daily_limit)


def _home_visitor(request: web.Request, wanted: Wanted) -> Visitor:
    """Return the visitor. The headers that identify our page can be faked, so the address counts.

    Not for covers that we put on the shelf ourselves: they are few, and take no visitor's tries.
    """
    if is_on_shelf(request.app, wanted):
        return visitor(request, Key(_SHELF, "home page's shelf", _SHELF_LIMIT))
    return replace(visitor(request, _home_key(request)), address=forms.address(request))


async def example(request: web.Request) -> tuple[str, bool]:
    """Return an ISBN to try, and whether it has a cover: a classic, or one that is here."""
    covers = request.app[COVERS]
    if await covers.best(schemes.parse(ISBN, snippets.EXAMPLE)):
        return snippets.EXAMPLE, True
    found = await covers.sample(_SAMPLED)
    here = (each.identifier for each in found if each.is_usable)
    value = next((each.value for each in here if each.scheme == ISBN), None)
    return value or snippets.EXAMPLE, value is not None


def _add_pictures(
    told: TriedItem, request: web.Request, original: Original, start: str, shown_at: str
) -> None:
    place = path_of(original.identifier)
    pictures = [
        SnippetPicture(name, *target_size((original.width, original.height), size), f"{start}/{name}/{place}")
        for name, size in request.app[CONFIG].usual_sizes.items()
    ]
    alt = texts_for(request)("try.alt", isbn=original.identifier.listed)
    told["original"] = _original(original)
    told["sizes"] = [
        _size(each, versioned(f"{shown_at}/{each.name}/{place}", original), alt) for each in pictures
    ]
    told["html_sharp"] = snippets.html_sharp(pictures, alt)


def _original(original: Original) -> TriedOriginal:
    return {"width": original.width, "height": original.height, "source": original.source}


def _size(picture: SnippetPicture, shown_at: str, alt: str) -> TriedSize:
    return {
        "name": picture.name, "width": picture.width, "height": picture.height, "url": picture.url,
        "shown": shown_at, "html": snippets.html(picture, alt),
    }  # fmt: skip


def _is_from_here(request: web.Request) -> bool:
    """Return whether our own page asks; a browser without Sec-Fetch-Site (on http) shows it by its
    Referer.
    """
    told = request.headers.get("Sec-Fetch-Site")
    return told == "same-origin" if told else site(request) == urlsplit(base_url(request)).hostname


@routes.get(r"/try/{size}/{scheme}/{value:[\s\S]+}")
async def try_cover(request: web.Request) -> web.StreamResponse:
    """Serve a cover to the home page: counted for all its visitors together, and for no other site."""
    covers, config = request.app[COVERS], request.app[CONFIG]
    if not _is_from_here(request):
        raise KeyNotForSite("without a key, covers are available on this site's own pages only")
    size = request.match_info["size"].lower()
    if size not in config.sizes:
        raise NoSuchSize(size, tuple(config.sizes))
    asked_for = request.match_info
    wanted = spec.parse(size, asked_for["value"], formats_of(request, size), asked_for["scheme"])
    found = await covers.cover(wanted, forms_for(request, wanted), _home_visitor(request, wanted))
    label = "made" if found.is_made else "hit"
    answer = answers.picture(found.derivative, label, config.answers, request)
    is_versioned = answer.headers["Cache-Control"] == answers.IMMUTABLE
    keep = answers.IMMUTABLE.replace("public", "private") if is_versioned else "private, max-age=60"
    own = {"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": keep}
    headers = {
        name: value for name, value in answer.headers.items() if not name.startswith("Access-Control-")
    }
    return answers.send(replace(answer, headers=headers | own))
