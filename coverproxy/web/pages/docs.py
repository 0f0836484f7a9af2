"""The page of documentation: guides for catalogues, and every address, made from the OpenAPI document."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from coverproxy.config import Config
from coverproxy.domain.api_key import is_name, is_secret
from coverproxy.domain.errors import SecretAsKey
from coverproxy.imaging.transform import target_size
from coverproxy.web import languages
from coverproxy.web.api import openapi
from coverproxy.web.api.address import EXAMPLE_KEY, TAGS
from coverproxy.web.api.addresses import addresses
from coverproxy.web.app_keys import CONFIG, SHOWN
from coverproxy.web.client_ip import base_url
from coverproxy.web.pages import curl, snippets
from coverproxy.web.pages.home import NO_KEY, example
from coverproxy.web.pages.page import PAGES, Pages, as_page, is_for_program, person, texts_for
from coverproxy.web.pages.snippets import SnippetPicture
from coverproxy.web.texts import Texts

routes = web.RouteTableDef()

_MOST_KEPT = 12
"""Most renderings that are kept. Clients choose the Host of the site's address, so they are bounded."""

_MADE_UP = frozenset({"seen", "code", "digest"})
"""Parameters whose example does not exist: such an address is not shown as a link."""

_USUAL = (1000, 1500)
"""Width and height in px of the cover in the examples: 2:3, as most are."""


@dataclass(frozen=True, slots=True)
class DocsExample:
    """What the examples are about. `isbn`: one to show. `has_key`: links may have the reader's key."""

    base: str
    isbn: str
    has_key: bool


class Docs:
    """The page as it was rendered, by the site's address, whether it has a key, and language."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, bool, str], bytes] = {}
        self.rendering = asyncio.Lock()


DOCS: web.AppKey[Docs] = web.AppKey("docs", Docs)


@routes.get("/docs")
@person
async def docs(request: web.Request) -> web.StreamResponse:
    """Show the page with the key of `?key=` in its examples; programs get the OpenAPI document."""
    if is_for_program(request):
        return await openapi.openapi(request)
    books = request.app[SHOWN]
    key = request.query.get("key", "").strip() or (books[0].key if books else "")
    if is_secret(key):
        raise SecretAsKey
    has_key = is_name(key)
    body = await _kept(request, has_key)
    filled = body.replace(NO_KEY.encode(), key.encode()) if has_key else body
    return as_page(request, filled, cache="private, max-age=300")


async def _kept(request: web.Request, has_key: bool) -> bytes:
    spoken = texts_for(request)
    made, name = request.app[DOCS], (base_url(request), has_key, spoken.language)
    async with made.rendering:
        if name not in made.kept:
            site = DocsExample(name[0], (await example(request))[0], has_key)
            page = await asyncio.to_thread(_render, request.app[CONFIG], request.app[PAGES], spoken, site)
            if len(made.kept) >= _MOST_KEPT:
                made.kept.clear()
            made.kept[name] = page
        return made.kept[name]


def _render(config: Config, pages: Pages, texts: Texts, site: DocsExample) -> bytes:
    """Render the page. In a thread: it takes a second, most of it for the schemas."""
    document = openapi.document(addresses(config))
    switches = {each: f"/docs?{languages.PARAMETER}={each}" for each in pages.offered}
    key = NO_KEY if site.has_key else ""
    more = {"base": site.base, "path": "/docs", "site_key": key, "switches": switches}
    data = {
        "groups": groups(document, site),
        "html": _html(config, site, texts("item.alt")),
        "catalogues": snippets.of_catalogues(site.base, NO_KEY, snippets.LIST_SIZE),
        "publishing": snippets.of_publishing(site.base, NO_KEY, snippets.LIST_SIZE),
        "no_cover": snippets.without_cover(site.base, NO_KEY, snippets.LIST_SIZE, site.isbn),
    }
    return pages.render("docs.html", texts, {"d": data, **more}).encode()


def _html(config: Config, site: DocsExample, alt: str) -> str:
    start = f"{site.base}/devkey/{NO_KEY}"
    pictures = [
        SnippetPicture(name, *target_size(_USUAL, size), f"{start}/{name}/isbn/{site.isbn}")
        for name, size in config.usual_sizes.items()
    ]
    return snippets.html_sharp(pictures, alt)


def groups(document: Mapping[str, Any], site: DocsExample) -> list[dict[str, Any]]:
    """Return the document's operations by tag, each as the page shows it."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in TAGS}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            told = _told(path, method, operation, document["components"]["schemas"], site)
            found[operation["tags"][0]].append(told)
    return [{"tag": tag, "operations": operations} for tag, operations in found.items() if operations]


def _told(
    path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any], site: DocsExample
) -> dict[str, Any]:
    put = {EXAMPLE_KEY: NO_KEY, "9780141439556": site.isbn}
    where = curl.address(path, operation, put)
    return {
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "tells": operation.get("description", ""),
        "parameters": [_parameter(each) for each in operation.get("parameters", ())],
        "takes": list(operation.get("requestBody", {}).get("content", ())),
        "answers": [
            {"status": status, "tells": each["description"], "types": list(each.get("content", ()))}
            for status, each in operation["responses"].items()
        ],
        "curl": curl.line(site.base + where, method, operation, schemas),
        "link": where if method == "get" and _is_open(path, operation, site) else "",
    }  # fmt: skip


def _parameter(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": told["name"], "place": told["in"], "tells": told["description"],
        "is_required": told["required"], "choices": told["schema"].get("enum", ()),
    }  # fmt: skip


def _is_open(path: str, operation: Mapping[str, Any], site: DocsExample) -> bool:
    """Return whether a reader of the page can follow a GET: it needs nothing that the page does not have."""
    names = {each["name"] for each in operation.get("parameters", ())}
    if names & _MADE_UP or operation["tags"][0] == "admin" or "Bearer" in operation.get("description", ""):
        return False
    if "{key}" in path:
        return site.has_key
    return "others" not in operation["tags"]
