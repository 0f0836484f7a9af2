"""Amazon's pictures by ISBN: /images/P/{id}.{cc}.{modifiers}.jpg, always with status 200.

Evergreen disables covers for everybody for ten minutes after some other statuses, and requests addresses
without any number.
"""

import re
from dataclasses import replace

from aiohttp import web

from coverproxy.config import SizeTable
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import CoverError
from coverproxy.web import answers
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import Parameter
from coverproxy.web.app_keys import CONFIG
from coverproxy.web.errors import Meaning
from coverproxy.web.serve import serve_first
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import Route, Shape
from coverproxy.web.sizes import MOST_WISHED, sizes_for

_WORDS = (
    (re.compile(r"(?:^|[._])(?:[0-9]{2})?(?:THUMB?|TR?|S)Z*(?:[._]|$)|_SCT[A-Z]*_"), "small"),
    (re.compile(r"(?:^|[._])(?:[0-9]{2})?LZ*(?:[._]|$)|_SC[LZR][A-Z]*_"), "large"),
    (re.compile(r"(?:^|[._])(?:[0-9]{2})?MZ*(?:[._]|$)|_SCM[A-Z]*_"), "medium"),
)
_ENDING = re.compile(r"(?:^|\.)(?:jpe?g|gif|png)\Z", re.IGNORECASE)
_PIXELS = re.compile(r"_(?P<side>SX|SY|SL|SS|UX|UY|UL|US)(?P<px>[0-9]{1,40})(?=_)")
_IN_WIDTH = ("SX", "UX")


async def cover(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve a cover by the part before the first dot, in the size that the modifiers name."""
    named, _, modifiers = request.match_info["name"].lstrip("/").partition(".")
    schemes = [("isbn", named), ("ean", named), ("asin", named)]
    choices = identify.all_of(size(sizes_for(request, key), modifiers), schemes)
    return await serve_first(request, key, choices)


def size(sizes: SizeTable, modifiers: str) -> str:
    """Return the size for modifiers such as `01._SX200_.jpg`; unknown ones are ignored."""
    wished = {"w": 0, "h": 0}
    for found in _PIXELS.finditer(modifiers):
        side = "w" if found["side"] in _IN_WIDTH else "h"
        wished[side] = max(wished[side], min(int(found["px"]), MOST_WISHED))
    if any(wished.values()):
        return sizes.snapped(wished["w"], wished["h"])
    words = _ENDING.sub("", modifiers)
    return next((name for pattern, name in _WORDS if pattern.search(words)), "medium")


def refuse(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer:
    """Answer with the placeholder and 200, whatever the error, the key or the query."""
    lenient = replace(how, is_hard=False)
    return answers.refusal(error, lenient, request.app[CONFIG].answers, is_strict=False, as_json=False)


SHAPE = Shape(
    "amazon",
    (
        Route(
            "/images/P/{name}", cover, "A cover, as Amazon has it: always with status 200",
            parameters=(
                Parameter(
                    "name", "path", "An ISBN, and modifiers such as 01._SX200_.jpg.", {"type": "string"},
                    "0141439556.01.MZZZZZZZ.jpg",
                ),
            ),
            pattern=r"/images/P/{name:[\s\S]*}",
        ),
    ),
    refuse,
    never_fails=True,
)  # fmt: skip
