"""ORB (base-orb.fr): /v1/products?eans=A,B, with the key as user or password of Basic authentication."""

import base64
from typing import Annotated

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.domain.api_key import Key, is_name
from coverproxy.domain.errors import BadQuestion
from coverproxy.domain.original import Original
from coverproxy.web.api.address import Parameter
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import (
    JSON,
    Route,
    Shape,
    as_json,
    cover_address,
    fields,
    find_shown,
    json,
    listed,
)


class OrbPicture(TypedDict):
    """Where a picture is."""

    src: str


class OrbFront(TypedDict):
    """A front cover in two sizes."""

    thumbnail: OrbPicture
    original: OrbPicture


class OrbImages(TypedDict):
    """The pictures of a product."""

    front: OrbFront


class OrbProduct(TypedDict):
    """A product that has a cover."""

    ean13: Annotated[str, Field(description="The number as it was sent.")]
    images: OrbImages


class OrbProducts(TypedDict):
    """The products of a list that have covers."""

    data: list[OrbProduct]


async def products(request: web.Request, key: Key) -> web.StreamResponse:
    """Return the address of each EAN's cover; EANs without one are omitted."""
    asked = fields(request)
    if "eans" not in asked:
        raise BadQuestion("expected eans=…")
    sought = await find_shown(request, identify.numbers("medium", listed(asked["eans"])))
    told: OrbProducts = {"data": [_told(request, *each) for each in sought.found.items()]}
    return json(request, told, is_settled=sought.is_settled, name=None)


def _told(request: web.Request, text: str, original: Original) -> OrbProduct:
    front: OrbFront = {
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
            json=OrbProducts,
        ),
    ),
    as_json,
    key_of,
)
