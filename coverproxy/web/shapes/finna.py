"""Finna's kansikuvat: /getImage.php?query=ISBN[&return_error=true]."""

from dataclasses import replace

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import CoverError
from coverproxy.web import answers
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import Parameter
from coverproxy.web.app_keys import CONFIG
from coverproxy.web.errors import Meaning
from coverproxy.web.serve import serve
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import Route, Shape, asked_field, field


async def picture(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve a book's picture in the largest size."""
    return await serve(request, key, identify.wanted("large", "isbn", field(request, "query", "isbn")))


def refuse(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer | None:
    """Refuse with a status if `return_error=true` asks for it, else as our own addresses do."""
    if asked_field(request, "return_error").lower() not in ("true", "1"):
        return None
    status = replace(how, status=404) if how.keep == "missing" else how
    return answers.refusal(error, status, request.app[CONFIG].answers, is_strict=True, as_json=False)


SHAPE = Shape(
    "finna",
    (
        Route(
            "/getImage.php",
            picture,
            "A cover, as Finna's kansikuvat has it",
            parameters=(
                Parameter("query", "query", "An ISBN.", {"type": "string"}, "9780141439556"),
                Parameter(
                    "return_error", "query", "true: 404 for a missing cover.", {"type": "string"}, "true"
                ),
            ),
        ),
    ),
    refuse,
)
