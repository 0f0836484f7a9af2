"""Summon: /2.0.0/image/isbn/KEY/{isbn}_{isbn}/{size}."""

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.web.api.address import EXAMPLE_KEY, Parameter
from coverproxy.web.serve import serve_first
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import Route, Shape, listed

NAMES = ("small", "medium", "large")


async def picture(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve the first of several ISBNs that has a cover: its bytes, where Summon would redirect."""
    texts = listed([request.match_info["isbns"].replace("_", ",")])
    choices = identify.all_of(request.match_info["size"].lower(), [("isbn", text) for text in texts])
    return await serve_first(request, key, choices)


async def key_of(request: web.Request) -> str | None:
    """Return the key, which is a part of Summon's path."""
    return request.match_info["client"]


SHAPE = Shape(
    "summon",
    (
        Route(
            "/2.0.0/image/isbn/{client}/{isbns}/{size}",
            picture,
            "A cover, as Summon has it",
            parameters=(
                Parameter("client", "path", "The developer key.", {"type": "string"}, EXAMPLE_KEY),
                Parameter("isbns", "path", "ISBNs, separated by _.", {"type": "string"}, "9780141439556"),
                Parameter(
                    "size",
                    "path",
                    "small, medium or large.",
                    {"type": "string", "enum": list(NAMES)},
                    "medium",
                ),
            ),
            pattern="/2.0.0/image/isbn/{client}/{isbns}/{size:(?i:small|medium|large)}",
        ),
    ),
    key_of=key_of,
)
