"""Koha's own pictures: /cgi-bin/koha/opac-image.pl?biblionumber=N[&thumbnail=1], by the number of a record.

They are the items `local:koha` that a zip for Koha's cover upload brings. VuFind asks for them, at the
address of its config (koha_cover_url).
"""

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.web.api.address import Parameter
from coverproxy.web.serve import serve
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import Route, Shape, field

SCHEME = "local:koha"


async def picture(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve the picture of a record. Koha has two sizes, and VuFind's small and medium are the thumbnail."""
    size = "medium" if field(request, "thumbnail") == "1" else "large"
    return await serve(request, key, identify.wanted(size, SCHEME, field(request, "biblionumber")))


SHAPE = Shape(
    "koha",
    (
        Route(
            "/cgi-bin/koha/opac-image.pl",
            picture,
            "A record's cover, as Koha has it",
            parameters=(
                Parameter("biblionumber", "query", "The record's number.", {"type": "string"}, "1234"),
                Parameter("thumbnail", "query", "1: medium, else large.", {"type": "string"}, "1"),
            ),
        ),
    ),
)
