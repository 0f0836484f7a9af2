"""Open Library's covers: /b/{key}/{value}-{S|M|L}.jpg, and .json (openlibrary.org/dev/docs/api/covers)."""

import re

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import CoverError, MalformedPath, NoCover, NotAnIdentifier
from coverproxy.domain.spec import ISBN, Wanted
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import Parameter
from coverproxy.web.app_keys import INFORMER
from coverproxy.web.errors import Meaning
from coverproxy.web.serve import serve
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import JSON, Route, Shape, as_json, json, with_body
from coverproxy.web.waits import JSON_SECONDS

SIZES = {"S": "small", "M": "medium", "L": "large"}
KEYS = frozenset({"isbn", "id", "oclc", "lccn", "olid", "issn", "upc", "ean"})

_NAME = re.compile(r"(?P<value>.*?)(?:-(?P<size>[SML]))?\.(?P<ending>jpe?g|json)", re.IGNORECASE | re.DOTALL)


async def cover(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve a cover, or its number and sides as JSON."""
    found = _NAME.fullmatch(request.match_info["name"])
    if found is None:
        raise MalformedPath("expected /b/KEY/VALUE-S.jpg, -M.jpg, -L.jpg, .jpg or .json")
    size = SIZES[(found["size"] or "L").upper()]
    wanted = read(size, request.match_info["kind"].lower(), found["value"])
    if found["ending"].lower() == "json":
        return await _as_json(request, wanted)
    return await serve(request, key, wanted)


def read(size: str, kind: str, value: str) -> Wanted:
    """Read the requested identifier. Raises MalformedPath, NoCover, NotAnIdentifier.

    `id` is Open Library's number of a picture. Ours is the ISBN-13 itself: it fits a JSON number, and needs
    no table.
    """
    if kind not in KEYS:
        raise MalformedPath(f"{kind[:40]!r} is not a key; expected one of {', '.join(sorted(KEYS))}")
    if kind != "id":
        return identify.wanted(size, kind, value)
    if not re.fullmatch("97[89][0-9]{10}", value):
        raise NoCover(f"{value[:60]!r} is not the number of a cover here; expected an ISBN-13")
    return identify.wanted(size, ISBN, value)


async def _as_json(request: web.Request, wanted: Wanted) -> web.Response:
    sought = await request.app[INFORMER].find({"": wanted}, JSON_SECONDS)
    original = sought.found.get("")
    if original is None:
        raise NoCover("no cover is known")
    about = {"id": int(original.identifier.value), "width": original.width, "height": original.height}
    return json(request, about, is_settled=sought.is_settled, name=None)


def refuse(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer | None:
    """Refuse as Open Library does: `default=false` is 404 with an empty body.

    An unknown picture number is always 404: BookWyrm stores whatever opens as a picture.
    """
    if request.path.lower().endswith(".json"):
        return as_json(request, error, how, is_strict)
    is_absent = isinstance(error, NoCover | NotAnIdentifier)
    is_number = request.match_info.get("kind", "").lower() == "id"
    if is_absent and (is_strict or is_number):
        return with_body(request, error, how, "text/plain; charset=utf-8", b"", 404)
    return None


_PARAMETERS = (
    Parameter(
        "kind", "path", "A scheme, or id.", {"type": "string", "enum": sorted(KEYS)}, "isbn"
    ),
    Parameter(
        "name", "path", "The value; -S, -M or -L for a size; .jpg or .json.", {"type": "string"},
        "9780141439556-M.jpg",
    ),
    Parameter("default", "query", "false: 404 for a missing cover.", {"type": "string"}, "false"),
)  # fmt: skip

SHAPE = Shape(
    "openlibrary",
    (
        Route(
            "/b/{kind}/{name}", cover, "A cover, as Open Library has it", ("image/gif", "image/jpeg", JSON),
            _PARAMETERS, pattern=r"/b/{kind}/{name:[\s\S]+}",
        ),
    ),
    refuse,
)  # fmt: skip
