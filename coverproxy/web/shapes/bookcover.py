"""bookcover-api: /bookcover?isbn=… and /bookcover/{isbn}, which return an address."""

import re

from aiohttp import web
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import BadQuestion, CoverError, NoCover, Pending
from coverproxy.web.api.address import Parameter
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import JSON, Route, Shape, as_json, cover_address, fields, find, json


class CoverUrl(TypedDict):
    """Where a cover is."""

    url: str


_NONE = "Bookcover was not found."
_INVALID = "Invalid ISBN (please use ISBN-13)"


async def by_query(request: web.Request, key: Key) -> web.StreamResponse:
    """Return the address of the cover for `isbn=`. Title and author do not identify a book here."""
    asked = fields(request)
    if "isbn" not in asked:
        if "book_title" in asked or "author_name" in asked:
            raise NoCover(_NONE)
        raise BadQuestion("expected isbn=…")
    if "book_title" in asked or "author_name" in asked:
        raise BadQuestion("expected isbn=…, or book_title and author_name, not both")
    return await _answer(request, asked["isbn"][0])


async def by_path(request: web.Request, key: Key) -> web.StreamResponse:
    """Return the address of the cover for the path's ISBN."""
    return await _answer(request, request.match_info["isbn"])


async def _answer(request: web.Request, text: str) -> web.Response:
    digits = text.replace("-", "")
    if not re.fullmatch("[0-9]{13}", digits):
        raise BadQuestion(_INVALID)
    try:
        wanted = identify.wanted("large", "isbn", digits)
    except CoverError as exc:
        raise NoCover(_NONE) from exc  # it looks no further than at the number of digits
    sought = await find(request, {"": wanted})
    if "" not in sought.found:
        raise (NoCover if sought.is_settled else Pending)(_NONE)
    told: CoverUrl = {"url": cover_address(request, sought.found[""], "large")}
    return json(request, told, is_settled=True, name=None)


_ISBN13 = {"type": "string", "enum": ["9780141439556", "9780306406157"]}
_SIZE = Parameter(
    "image_size", "query", "Ignored: the address is that of the large size.", {"type": "string"}, "large"
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
