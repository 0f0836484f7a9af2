"""GET /devkey/{key}/info…: information about covers, without making them or using quota."""

import base64
from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web

from coverproxy.domain import isbn, schemes
from coverproxy.domain.editions import EditionLink
from coverproxy.domain.errors import BadQuestion, TooMany, UnreadType
from coverproxy.domain.identifier import ISBN
from coverproxy.domain.moment import iso
from coverproxy.domain.original import Original
from coverproxy.service.cover_info import Fit, Known
from coverproxy.web import answers, bodies, fallback, jsonp
from coverproxy.web.api.schemas import MAX_ISBNS, Have, Info, InfoEdition, InfoOriginal, InfoSize
from coverproxy.web.app_keys import ACCOUNTS, COVERS, IS_PROGRAM, KEY
from coverproxy.web.client_ip import base_url
from coverproxy.web.paths import path_of
from coverproxy.web.visitor import site

routes = web.RouteTableDef()

MAX_BODY_BYTES = 524_288
"""A thousand texts of maximum length (isbn.MAX_TEXT), with punctuation."""

_METHODS = "GET, HEAD, POST, OPTIONS"


ABOUT = r"/devkey/{key}/info/{scheme:[^/]+}/{value:[\s\S]+}"
"""Matches anything after the scheme, including line breaks: invalid values get a proper answer."""


@routes.get(ABOUT)
async def about(request: web.Request) -> web.StreamResponse:
    """Return what is known about an identifier: how it is read, its original, sizes and preview."""
    await authorize(request)  # first: clients here are programs, and get no placeholder
    scheme = schemes.named(request.match_info["scheme"])
    value, far = request.match_info["value"].rstrip("/"), fallback.farthest(request, request[KEY], own=True)
    known = await request.app[COVERS].info(value, scheme.name, far)
    return answers.send(answers.json(_told(known, f"{base_url(request)}/devkey/{request[KEY].name}")))


@routes.get("/devkey/{key}/info")
async def have(request: web.Request) -> web.StreamResponse:
    """Return which of up to 1,000 ISBNs have covers: `?isbn=A,B&isbn=C`, with `&callback=NAME` as JSONP."""
    await authorize(request)
    callback = jsonp.callback(request.query.getall("callback", []))
    values = request.query.getall("isbn", [])
    if not values:
        raise BadQuestion("expected isbn=…")
    asked = _bounded([text for value in values for text in value.split(",")])
    found: Have = await request.app[COVERS].have(_not_blank(asked))
    return answers.send(_script(jsonp.call(found, callback)) if callback else answers.json(found))


@routes.post("/devkey/{key}/info")
async def have_all(request: web.Request) -> web.StreamResponse:
    """Return which of up to 1,000 ISBNs have covers: from a JSON body `{"isbns": […]}`, or from lines of
    text.
    """
    await authorize(request)
    asked = _bounded(_sent(request.content_type, await bodies.read(request, MAX_BODY_BYTES)))
    return answers.send(answers.json(await request.app[COVERS].have(asked)))


@routes.options("/devkey/{key}/info")
async def preflight(request: web.Request) -> web.StreamResponse:
    """Allow POST from other sites' pages (CORS)."""
    methods = {"Allow": _METHODS, "Access-Control-Allow-Methods": _METHODS}
    return answers.send(answers.Answer(204, answers.COMMON | answers.PREFLIGHT | methods, b""))


async def authorize(request: web.Request) -> None:
    request[IS_PROGRAM] = True
    accounts = request.app[ACCOUNTS]
    request[KEY] = await accounts.authorize(request.match_info["key"], site(request))


def _sent(content_type: str, body: bytes) -> list[str]:
    """Read the ISBNs of a body. Raises UnreadType, BadQuestion."""
    if not body:
        raise BadQuestion("there is no body")
    if content_type == "application/json":
        return _of_json(body)
    if content_type in ("text/plain", "application/octet-stream"):  # the latter: no type was sent
        try:
            return _not_blank(body.decode("utf-8-sig").splitlines())
        except UnicodeDecodeError as exc:
            raise BadQuestion("the text is not UTF-8") from exc
    raise UnreadType(f"{content_type[:60]!r} is not supported; expected application/json or text/plain")


def _of_json(body: bytes) -> list[str]:
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise BadQuestion(f"the body is not JSON: {exc}") from exc
    isbns = asked.get("isbns") if isinstance(asked, dict) else None
    if not isinstance(isbns, list) or not all(isinstance(text, str) for text in isbns):
        raise BadQuestion('expected {"isbns": ["…", "…"]}')
    return isbns


def _bounded(texts: list[str]) -> list[str]:
    """Return the texts, unless there are too many. Raises TooMany."""
    if len(texts) > MAX_ISBNS:
        raise TooMany(f"{len(texts)} ISBNs at once; the limit is {MAX_ISBNS}")
    return texts


def _not_blank(texts: Iterable[str]) -> list[str]:
    return [text for text in map(str.strip, texts) if text]


def _script(text: str) -> answers.Answer:
    headers = {
        **answers.COMMON, "Cache-Control": "no-store", "Content-Type": "text/javascript; charset=utf-8",
    }  # fmt: skip
    return answers.Answer(200, headers, text.encode())


def _told(known: Known, base: str) -> Info:
    """Return what is known as JSON; *base* is the address up to the key."""
    reading, named = known.reading, known.identifier
    isbn13 = named.value if named and named.scheme == ISBN else None
    return {
        "text": known.text,
        "identifier": str(named) if named else None,
        "item": str(known.names[0]) if known.names else None,
        "linked": [str(each) for each in known.names if each != named],
        "isbn13": isbn13,
        "isbn10": isbn.to_isbn10(isbn13) if isbn13 else None,
        "readings": [each.value for each in reading.identifiers if each.scheme == ISBN] if reading else [],
        "only_one": reading is not None and reading.only_one,
        "has_cover": known.has_cover,
        "edition": _edition(known.edition) if known.edition else None,
        "status": "found" if known.has_cover else "missing" if reading else "invalid",
        "why": known.why,
        "original": _original(known.original, known.kept_until) if known.original else None,
        "sizes": {
            name: _size(fit, f"{base}/{name}/{path_of(named)}", known.version) if fit and named else None
            for name, fit in (known.sizes or {}).items()
        },
        "colour": known.look.hex if known.look else None,
        "thumbhash": base64.b64encode(known.look.thumbhash).decode() if known.look else None,
    }


def _edition(link: EditionLink) -> InfoEdition:
    other = link.other
    return {
        "identifier": str(other), "isbn13": other.value if other.scheme == ISBN else None,
        "relation": link.relation.value, "linked_by": link.linked_by,
    }  # fmt: skip


def _original(original: Original, kept_until: int | None) -> InfoOriginal:
    return {
        "width": original.width, "height": original.height, "bytes": original.bytes,
        "type": original.loader.value, "source": original.source, "date": iso(original.date),
        "added": iso(original.added // 1000), "licence": original.terms.licence,
        "until": iso(original.terms.until),
        "no_crop": original.terms.no_crop,
        "kept_until": iso(kept_until),
    }  # fmt: skip


def _size(fit: Fit, url: str, version: str) -> InfoSize:
    """Give each format's address with its version: a catalogue may keep what that shows for ever."""
    query = f"?v={version}" if version else ""
    formats: dict[str, Any] = {
        form.value: {"url": f"{url}.{form.value}{query}", "bytes": length}
        for form, length in fit.bytes.items()
    }
    return {"width": fit.size[0], "height": fit.size[1], "formats": formats}
