"""bookcover-api: /bookcover?isbn=… and /bookcover/{isbn}, which return an address."""

import re

from aiohttp import web
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.config.sizes import STEPS
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import BadQuestion, CoverError, NoCover, Pending
from coverproxy.web.api.address import Parameter
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import JSON, Route, Shape, as_json, cover_address, field, find_shown, json


class CoverUrl(TypedDict):
    """Where a cover is."""

    url: str


_NONE = "Bookcover was not found."
_INVALID = "Invalid ISBN (please use ISBN-13)"


async def by_query(request: web.Request, key: Key) -> web.StreamResponse:
    """Return the address of the cover for `isbn=`. Title and author do not identify a book here.

    An empty field counts as none.
    """
    text, *words = (field(request, name) for name in ("isbn", "book_title", "author_name"))
    if text and any(words):
        raise BadQuestion("expected isbn=…, or book_title and author_name, not both")
    if all(words):
        raise NoCover(_NONE)
    if not text:
        raise BadQuestion("expected isbn=…, or book_title=… and author_name=…")
    return await _answer(request, text)


async def by_path(request: web.Request, key: Key) -> web.StreamResponse:
    """Return the address of the cover for the path's ISBN."""
    return await _answer(request, request.match_info["isbn"])


async def _answer(request: web.Request, text: str) -> web.Response:
    digits = text.replace("-", "")
    if not re.fullmatch("[0-9]{13}", digits):
        raise BadQuestion(_INVALID)
    wish = field(request, "image_size").strip().lower()
    size = wish if wish in STEPS else "large"
    try:
        wanted = identify.wanted(size, "isbn", digits)
    except CoverError as exc:
        raise NoCover(_NONE) from exc  # it looks no further than at the number of digits
    sought = await find_shown(request, {"": wanted})
    if "" not in sought.found:
        raise (NoCover if sought.is_settled else Pending)(_NONE)
    told: CoverUrl = {"url": cover_address(request, sought.found[""], size)}
    return json(request, told, is_settled=True, name=None)


_ISBN13 = {"type": "string", "enum": ["9780141439556", "9780306406157"]}
_SIZE = Parameter(
    "image_size",
    "query",
    "small, medium or large, which any other word means too.",
    {"type": "string"},
    "large",
)

SHAPE = Shape(
    "bookcover",
    (
        Route(
            "/bookcover",
            by_query,
            "A cover's address, as bookcover-api",
            (JSON,),
            (Parameter("isbn", "query", "An ISBN-13.", _ISBN13, "9780141439556", is_required=True), _SIZE),
            json=CoverUrl,
        ),
        Route(
            "/bookcover/{isbn}",
            by_path,
            "The same by its path",
            (JSON,),
            (Parameter("isbn", "path", "An ISBN-13.", _ISBN13, "9780141439556"), _SIZE),
            json=CoverUrl,
        ),
    ),
    as_json,
)
