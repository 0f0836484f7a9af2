"""Booksite: /poca/content_img?apikey=KEY&ean=ISBN, in one size only."""

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.web.api.address import EXAMPLE_KEY, Parameter
from coverproxy.web.serve import serve_first
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import Route, Shape, field, in_field


async def picture(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve Booksite's only size."""
    text = field(request, "ean")
    return await serve_first(request, key, identify.all_of("medium", [("isbn", text), ("ean", text)]))


SHAPE = Shape(
    "booksite",
    (
        Route(
            "/poca/content_img",
            picture,
            "A cover, as Booksite has it",
            parameters=(
                Parameter("apikey", "query", "The developer key.", {"type": "string"}, EXAMPLE_KEY),
                Parameter("ean", "query", "An ISBN-13.", {"type": "string"}, "9780141439556"),
            ),
        ),
    ),
    key_of=in_field("apikey"),
)
