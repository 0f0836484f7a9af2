"""Coce, Koha's cover image cache: /cover?id=A,B&provider=gb,aws,ol[&all][&callback=…]."""

from collections.abc import Sequence

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import BadQuestion
from coverproxy.web import jsonp
from coverproxy.web.api.address import Parameter
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import (
    CALLBACK,
    JSON,
    SCRIPT,
    Route,
    Shape,
    as_json,
    cover_address,
    fields,
    find_shown,
    json,
    listed,
)

CoceCovers = dict[str, str | dict[str, str]]
"""Addresses by identifier as sent; with `all`, each by its provider."""

PROVIDERS = ("ol", "gb", "aws", "orb")
SEEN_BY_ASPEN = ("ol", "gb", "aws")
"""Aspen reads only these names."""

_SHORTEST = 8


async def cover(request: web.Request, key: Key) -> web.StreamResponse:
    """Return the address of each identifier's cover; identifiers without one are omitted."""
    asked = fields(request)
    name = jsonp.callback(asked.get("callback", []))
    texts = asked.get("id", [])
    if len(texts) != 1 or len(texts[0]) < _SHORTEST:
        raise BadQuestion("ID parameter is missing")
    provider = chosen(asked.get("provider", []))
    sought = await find_shown(request, identify.numbers("medium", listed(texts)))
    found = {text: cover_address(request, each) for text, each in sought.found.items()}
    told: CoceCovers = {text: {provider: url} if "all" in asked else url for text, url in found.items()}
    return json(request, told, is_settled=sought.is_settled, name=name)


def chosen(values: Sequence[str]) -> str:
    """Return the provider to report our cover under: the first that Aspen knows. Raises BadQuestion."""
    named = [name for value in values for name in value.split(",") if name]
    for name in named:
        if name not in PROVIDERS:
            raise BadQuestion(f"Unavailable provider: {name[:40]}")
    return next((name for name in named if name in SEEN_BY_ASPEN), (named or SEEN_BY_ASPEN)[0])


SHAPE = Shape(
    "coce",
    (
        Route(
            "/cover",
            cover,
            "Addresses of the covers of a list, as Coce",
            (JSON, SCRIPT),
            (
                Parameter(
                    "id",
                    "query",
                    "ISBNs, separated by commas.",
                    {"type": "string", "minLength": 8},
                    "9780141439556",
                    is_required=True,
                ),
                Parameter(
                    "provider",
                    "query",
                    "ol, gb, aws, orb, separated by commas.",
                    {"type": "string", "enum": [*PROVIDERS]},
                    "ol",
                ),
                Parameter("all", "query", "By provider.", {"type": "string"}, ""),
                CALLBACK,
            ),
            json=CoceCovers,
        ),
    ),
    as_json,
)
