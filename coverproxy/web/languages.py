"""The language of a page: the one that the reader chose here, else the one that the browser asks for."""

from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web

from coverproxy.web.accept import language
from coverproxy.web.client_ip import base_url

PARAMETER = "lang"
"""Chooses a language by an address, so that the switch works without scripts."""

COOKIE = "coverproxy_language"
"""Keeps the choice. It says nothing else, and no script reads it."""

VARY = "Accept, Accept-Language, Cookie"

_REPEATED = frozenset({"q", "isbn", "find", "state", "reason", "sort", "from"})
"""What a page was asked for and its other languages are asked for too; never what may be a key or secret."""

_KEPT_SECONDS = 365 * 86_400


def spoken(request: web.Request, offered: tuple[str, ...]) -> str:
    """Return the language for a request, of those *offered*; the first is the site's own."""
    for chosen in (request.query.get(PARAMETER), request.cookies.get(COOKIE)):
        if chosen in offered:
            return chosen
    return language(", ".join(request.headers.getall("Accept-Language", ())), offered)


def keep(request: web.Request, response: web.StreamResponse, offered: tuple[str, ...]) -> None:
    """Have the browser remember a language that was chosen by its address."""
    if (chosen := request.query.get(PARAMETER)) in offered and chosen:
        is_https = base_url(request).startswith("https://")
        response.set_cookie(
            COOKIE, chosen, max_age=_KEPT_SECONDS, httponly=True, samesite="Lax", secure=is_https
        )


def switches(request: web.Request, offered: tuple[str, ...], *, is_kept: bool) -> dict[str, str]:
    """Return the address of this page in each language; *is_kept*: shared, so without the reader's query."""
    query = {} if is_kept else {name: text for name, text in request.query.items() if name in _REPEATED}
    return {each: f"{here(request)}?{urlencode(query | {PARAMETER: each})}" for each in offered}


def onward(request: web.Request, path: str, query: Mapping[str, str] | None = None) -> str:
    """Return the address of another page that this one leads on to, in the language that was chosen here."""
    chosen = request.query.get(PARAMETER)
    told = dict(query or {}) | ({PARAMETER: chosen} if chosen else {})
    return f"{path}?{urlencode(told)}" if told else path


def here(request: web.Request) -> str:
    """Return the path of this page for a link to it: as it was spelled, and never with another site's name.

    To a browser //example.net is a site, and what stands for %3F begins a query.
    """
    return "/" + request.rel_url.raw_path.lstrip("/")
