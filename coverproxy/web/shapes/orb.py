"""ORB (base-orb.fr): /v1/products?eans=A,B, with the key as user or password of Basic authentication."""

import base64
from typing import Any

from aiohttp import web

from coverproxy.domain.api_key import Key, is_name
from coverproxy.domain.errors import BadQuestion
from coverproxy.domain.original import Original
from coverproxy.web.api.address import Parameter
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import JSON, Route, Shape, as_json, cover_address, fields, find, json, listed


async def products(request: web.Request, key: Key) -> web.StreamResponse:
    """Return the address of each EAN's cover; EANs without one are omitted."""
    asked = fields(request)
    if "eans" not in asked:
        raise BadQuestion("expected eans=…")
    sought = await find(request, identify.bibkeys("medium", listed(asked["eans"])))
    told = [_told(request, text, original) for text, original in sought.found.items()]
    return json(request, {"data": told}, is_settled=sought.is_settled, name=None)


def _told(request: web.Request, text: str, original: Original) -> dict[str, Any]:
    front = {
        "thumbnail": {"src": cover_address(request, original, "medium")},
        "original": {"src": cover_address(request, original, "large")},
    }
    return {"ean13": text, "images": {"front": front}}


async def key_of(request: web.Request) -> str | None:
    """Return the key from `Authorization: Basic`: clients have a user and a password, and either may be
    it.
    """
    kind, _, told = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, _, word = base64.b64decode(told.strip(), validate=True).decode("latin-1").partition(":")
    except ValueError:  # not base64, or not even ASCII
        return None
    return word if is_name(word) else user or None


SHAPE = Shape(
    "orb",
    (
        Route(
            "/v1/products",
            products,
            "Addresses of the covers of a list, as ORB",
            (JSON,),
            (
                Parameter(
                    "eans",
                    "query",
                    "ISBN-13s, separated by commas.",
                    {"type": "string"},
                    "9780141439556",
                    is_required=True,
                ),
            ),
        ),
    ),
    as_json,
    key_of,
)
