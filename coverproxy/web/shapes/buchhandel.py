"""Buchhandel.de: /{isbn}/{s|m|l}?access_token=KEY."""

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.web.api.address import EXAMPLE_KEY, Parameter
from coverproxy.web.serve import serve
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import Route, Shape, in_field

LETTERS = {"s": "small", "m": "medium", "l": "large"}


async def picture(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve a book's picture in the size of the letter."""
    size = LETTERS[request.match_info["letter"].lower()]
    return await serve(request, key, identify.wanted(size, "isbn", request.match_info["isbn"]))


SHAPE = Shape(
    "buchhandel",
    (
        Route(
            "/{isbn}/{letter}",
            picture,
            "A cover, as Buchhandel.de has it",
            parameters=(
                Parameter("isbn", "path", "An ISBN, hyphens or not.", {"type": "string"}, "9780141439556"),
                Parameter("letter", "path", "s, m or l.", {"type": "string", "enum": list(LETTERS)}, "m"),
                Parameter("access_token", "query", "The developer key.", {"type": "string"}, EXAMPLE_KEY),
            ),
            pattern="/{isbn:[0-9Xx-]{10,17}}/{letter:[smlSML]}",
        ),
    ),
    key_of=in_field("access_token"),
)
