"""ChiliFresh: /?isbn=A,B,…&size=S|M|L at the root, with all numbers of a record in one list."""

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.web.api.address import Parameter
from coverproxy.web.serve import serve_first
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import Route, Shape, answering, asked_field, field, fields, listed

SIZES = {"S": "small", "M": "medium", "L": "large"}


async def cover(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve the cover of the first number that has one."""
    texts = listed(fields(request).get("isbn", []))
    size = SIZES.get(field(request, "size").strip().upper(), "medium")
    return await serve_first(
        request, key, identify.all_of(size, [(identify.scheme_of(text), text) for text in texts])
    )


def is_meant(request: web.Request) -> bool:
    """Return whether a request to / is for a cover: with both fields, and one of their sizes."""
    has_isbn = any(name.lower().removeprefix("amp;") == "isbn" for name in request.query)
    return has_isbn and asked_field(request, "size").strip().upper() in SIZES


_PARAMETERS = (
    Parameter(
        "isbn",
        "query",
        "ISBNs, ISSNs, UPCs, (OCOLC)…, separated by commas.",
        {"type": "string"},
        "9780141439556",
    ),
    Parameter("size", "query", "S, M or L.", {"type": "string"}, "M"),
)

SHAPE = Shape(
    "chilifresh",
    (
        Route(
            "/",
            cover,
            "A cover, as ChiliFresh has it",
            parameters=_PARAMETERS,
            pattern="{slash:/?}",  # Evergreen appends "?isbn=…" to what is configured
            has_root=False,
        ),
    ),
)

at_root = answering(SHAPE, SHAPE.routes[0])
"""Answers at /, next to the home page."""
