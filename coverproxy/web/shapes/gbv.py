"""GBV's cover service: /covers/?id=…&format=img or seealso."""

from urllib.parse import quote

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import CoverError, NoCover, NotAnIdentifier
from coverproxy.domain.original import Original
from coverproxy.imaging.transform import target_size
from coverproxy.web import answers, jsonp
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import Parameter
from coverproxy.web.app_keys import CONFIG
from coverproxy.web.errors import Meaning
from coverproxy.web.paths import versioned
from coverproxy.web.serve import serve
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import (
    CALLBACK,
    JSON,
    SCRIPT,
    Route,
    Shape,
    as_ever,
    as_json,
    asked_field,
    field,
    fields,
    find_shown,
    json,
)

FORMATS = {"img": "image/jpeg", "seealso": "text/javascript"}
SeeAlso = list[str | list[str]]
"""The identifier, then lists of types, of sides and of addresses, as OpenSearch suggestions have them."""

_NONE: SeeAlso = ["", [], [], []]


async def covers(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve the picture for `id=`, describe it, or list the formats."""
    name = jsonp.callback(fields(request).get("callback", []))
    wanted = field(request, "format").lower()
    if wanted == "img":
        return await serve(request, key, identify.bibkey("medium", field(request, "id")))
    if wanted == "seealso":
        return await _see_also(request, name)
    return answers.send(_formats(request))


async def _see_also(request: web.Request, name: str | None) -> web.Response:
    """Answer as OpenSearch suggestions: the identifier, and lists of types, sides and addresses."""
    try:
        wanted = {"": identify.bibkey("medium", field(request, "id"))}
    except (NoCover, NotAnIdentifier):
        wanted = {}
    sought = await find_shown(request, wanted)
    original = sought.found.get("")
    told = _told(request, original) if original else _NONE
    return json(request, told, is_settled=sought.is_settled, name=name)


def _told(request: web.Request, original: Original) -> SeeAlso:
    sides = (original.width, original.height)
    width, height = target_size(sides, request.app[CONFIG].sizes["medium"])
    value = original.identifier.listed
    address = versioned(f"?format=img&id={quote(value)}", original)
    return [value, ["image/jpeg"], [f"{width}x{height}"], [address]]


def _formats(request: web.Request) -> Answer:
    """List the formats, as unAPI does."""
    inside = "".join(f'<format name="{name}" type="{kind}"/>' for name, kind in FORMATS.items())
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<formats>{inside}</formats>\n'
    headers = {
        **answers.COMMON,
        "Cache-Control": "no-store",
        "Content-Type": "application/xml; charset=utf-8",
    }
    return Answer(200, headers, text.encode())


def refuse(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer | None:
    """Refuse a picture as our own addresses do, everything else with JSON."""
    is_picture = asked_field(request, "format").lower() == "img"
    return (as_ever if is_picture else as_json)(request, error, how, is_strict)


SHAPE = Shape(
    "gbv",
    tuple(
        Route(
            path,
            covers,
            "A cover, or its address, as GBV's cover service",
            ("image/gif", "image/jpeg", JSON, SCRIPT, "application/xml"),
            (
                Parameter("id", "query", "An ISBN, hyphens anywhere.", {"type": "string"}, "9780141439556"),
                Parameter("format", "query", "img or seealso.", {"type": "string"}, "img"),
                CALLBACK,
            ),
            json=SeeAlso,
        )
        for path in ("/covers/", "/covers")
    ),
    refuse,
)
