"""Open Library's covers: /b/{key}/{value}-{S|M|L}.jpg, and .json (openlibrary.org/dev/docs/api/covers).

Its photos of authors are at /a/, and its covers of works at /w/: an OLID says which it is, so all are one.
"""

import re
from dataclasses import replace

from aiohttp import web
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.domain import schemes
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import (
    CoverError,
    MalformedPath,
    NoCover,
    NotAnIdentifier,
    Pending,
    UnknownScheme,
)
from coverproxy.domain.identifier import ISBN, Identifier, Reading
from coverproxy.domain.json_fields import Px
from coverproxy.domain.spec import Wanted
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import Parameter
from coverproxy.web.app_keys import COVERS, KEY
from coverproxy.web.errors import Meaning
from coverproxy.web.serve import serve
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import JSON, Route, Shape, as_json, find, json, with_body
from coverproxy.web.sizes import MOST_WISHED, sizes_for
from coverproxy.web.visitor import visitor

_TEXT = "text/plain; charset=utf-8"

SIZES = {"S": "small", "M": "medium", "L": "large"}


class PictureNumber(TypedDict):
    """A cover's number, and its original's sides."""

    id: int
    width: Px
    height: Px


KEYS = frozenset({"id", *schemes.ALL, *schemes.ALIASES})
"""What a path may name a book by; beside it the operator's own `local:AGENCY`."""

_NAME = re.compile(r"(?P<value>.*?)(?:-(?P<size>[SML]))?\.(?P<ending>jpe?g|json)", re.IGNORECASE | re.DOTALL)


async def cover(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve a cover, or its number and sides as JSON."""
    found = _NAME.fullmatch(request.match_info["name"].lstrip("/"))
    if found is None:
        raise MalformedPath("expected /b/KEY/VALUE-S.jpg, -M.jpg, -L.jpg, .jpg or .json; or /a/, /w/")
    largest = sizes_for(request, key).snapped(width=MOST_WISHED)
    size = SIZES[found["size"].upper()] if found["size"] else largest
    wanted = await _read(request, size, request.match_info["kind"].lower(), found["value"])
    if found["ending"].lower() == "json":
        return await _as_json(request, wanted)
    return await serve(request, key, wanted)


async def _read(request: web.Request, size: str, kind: str, value: str) -> Wanted:
    """Read what is named. Raises NoCover, NotAnIdentifier, Unavailable.

    `id` is Open Library's own number of a picture. Ours is the ISBN-13 itself, which fits a JSON number and
    needs no table; an item without ISBN has a number of its own, which is smaller.
    """
    if kind != "id":
        try:
            return identify.wanted(size, kind, value)
        except UnknownScheme as exc:
            raise NoCover(f"{kind[:40]!r} is not a key; expected one of {', '.join(sorted(KEYS))}") from exc
    if re.fullmatch("97[89][0-9]{10}", value):
        return identify.wanted(size, ISBN, value)
    item = None
    if re.fullmatch("[1-9][0-9]{0,11}", value):
        item = await request.app[COVERS].numbered(int(value))
    if item is None:
        raise NoCover(f"{value[:60]!r} is not the number of a cover here; that is mostly an ISBN-13")
    return Wanted(size, Reading((item,)), None)


async def _as_json(request: web.Request, wanted: Wanted) -> web.Response:
    sought = await find(request, {"": wanted})
    original = sought.found.get("")
    if original is None:
        raise NoCover("no cover is known") if sought.is_settled else Pending("the sources are being asked")
    number = await _number(request, original.identifier)
    about: PictureNumber = {"id": number, "width": original.width, "height": original.height}
    return json(request, about, is_settled=sought.is_settled, name=None)


async def _number(request: web.Request, item: Identifier) -> int:
    """Return an item's number, which is given to it by this. Raises Unavailable."""
    if item.scheme in (ISBN, schemes.ISMN):
        return int(item.value)
    return await request.app[COVERS].number(item)


def refuse(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer | None:
    """Refuse as Open Library does: `default=false` is 404 with an empty body.

    An unknown picture number is always 404, and of one that cannot be made now no program gets the pixel:
    BookWyrm and audiobookshelf store whatever opens as a picture, and never ask again.
    """
    is_absent = isinstance(error, NoCover | NotAnIdentifier)
    if request.path.lower().endswith(".json"):
        return as_json(request, error, replace(how, status=404) if is_absent else how, is_strict)
    is_number = request.match_info.get("kind", "").lower() == "id"
    is_for_now = is_number and not how.is_hard and _is_program(request)
    if is_for_now or (is_absent and (is_strict or is_number)):
        return with_body(request, error, how, _TEXT, b"", 404 if is_absent else 0)
    return None


def _is_program(request: web.Request) -> bool:
    key = request.get(KEY)
    return key is not None and visitor(request, key).is_automated


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
    tuple(
        Route(
            path, cover, says, ("image/gif", "image/jpeg", JSON), _PARAMETERS,
            pattern=path.replace("{name}", r"{name:[\s\S]+}"), json=PictureNumber,
        )
        for path, says in (
            ("/b/{kind}/{name}", "A cover, as Open Library has it"),
            ("/a/{kind}/{name}", "An author's photo, as Open Library has it"),
            ("/w/{kind}/{name}", "A work's cover, as Open Library has it"),
        )
    ),
    refuse,
)  # fmt: skip
