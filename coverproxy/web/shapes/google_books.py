"""Google Books: /books?bibkeys=…&jscmd=viewapi, and the pictures at /books/content."""

import re
from typing import Annotated, Literal
from urllib.parse import quote

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.config import SizeTable
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import BadQuestion, CoverError
from coverproxy.domain.original import Original
from coverproxy.web import jsonp
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import Parameter
from coverproxy.web.errors import Meaning
from coverproxy.web.paths import versioned
from coverproxy.web.serve import serve
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import (
    BIBKEYS,
    CALLBACK,
    JSON,
    SCRIPT,
    Route,
    Shape,
    as_ever,
    as_json,
    asked_field,
    field,
    fields,
    find_shown,
    json,
    listed,
    page_address,
    start,
)
from coverproxy.web.sizes import MOST_WISHED, sizes_for


class GoogleView(TypedDict):
    """A book that has a cover."""

    bib_key: Annotated[str, Field(description="The identifier as it was sent.")]
    info_url: str
    preview: Literal["noview"]
    preview_url: str
    thumbnail_url: str
    embeddable: Literal[False]


VARIABLE = "_GBSBookInfo"
ZOOMS = {"5": "small", "1": "medium"}
"""Google's zoom numbers; all others are large."""

_FIFE = re.compile(r"(?:^|-)([wh])([0-9]{1,9})(?=-|$)")


async def books(request: web.Request, key: Key) -> web.StreamResponse:
    """Return a thumbnail's address for each key that has a cover; keys without one are omitted.

    With `id=` and `img=1` it is the picture: the address from before /books/content, which calibre uses.
    """
    asked = fields(request)
    if is_picture(request):
        return await content(request, key)
    name = jsonp.callback(asked.get("callback", []))
    command = (asked.get("jscmd", [""])[0] or "viewapi").lower()
    if command != "viewapi":
        raise BadQuestion(f"jscmd={command[:40]!r}; expected viewapi")
    if "bibkeys" not in asked:
        raise BadQuestion("expected bibkeys=ISBN:…,ISBN:…")
    sought = await find_shown(request, identify.bibkeys("small", listed(asked["bibkeys"])))
    told = {text: _view(request, text, original) for text, original in sought.found.items()}
    return json(request, told, is_settled=sought.is_settled, name=name, variable=VARIABLE)


def _view(request: web.Request, text: str, original: Original) -> GoogleView:
    """Describe a book. Clients replace `zoom=5` in the thumbnail by `zoom=1` to get a larger one.

    The version follows at the end, where Google has `&edge=curl`.
    """
    page, named = page_address(request, original.identifier), original.identifier.listed
    content = f"{start(request)}/books/content?id={quote(named)}&printsec=frontcover&img=1&zoom=5"
    return {
        "bib_key": text,
        "info_url": page,
        "preview": "noview",
        "preview_url": page,
        "thumbnail_url": versioned(content, original),
        "embeddable": False,
    }


async def content(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve the picture for `id=`, in the size of `zoom=` or of `fife=w800-h900`."""
    size = size_of(sizes_for(request, key), field(request, "zoom"), field(request, "fife"))
    return await serve(request, key, identify.bibkey(size, field(request, "id", "vid")))


def size_of(sizes: SizeTable, zoom: str, fife: str) -> str:
    """Return the requested size: fife gives pixels, so it takes precedence over zoom."""
    sides = {side: min(int(px), MOST_WISHED) for side, px in _FIFE.findall(fife)}
    if sides:
        return sizes.snapped(sides.get("w", 0), sides.get("h", 0))
    return ZOOMS.get(zoom or "1", "large")


def is_picture(request: web.Request) -> bool:
    """Return whether a picture is asked for."""
    if request.path.rstrip("/").lower().endswith("/content"):
        return True
    has_book = bool(asked_field(request, "id") or asked_field(request, "vid"))
    return has_book and asked_field(request, "img") == "1" and not asked_field(request, "bibkeys")


def refuse(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer | None:
    """Refuse with JSON, but a picture as our own addresses do."""
    return (as_ever if is_picture(request) else as_json)(request, error, how, is_strict)


SHAPE = Shape(
    "google",
    (
        Route(
            "/books",
            books,
            "Which books have covers, as Google Books' viewapi",
            (JSON, SCRIPT),
            (
                BIBKEYS,
                Parameter("jscmd", "query", "viewapi.", {"type": "string", "enum": ["viewapi"]}, "viewapi"),
                CALLBACK,
            ),
            json=dict[str, GoogleView],
        ),
        Route(
            "/books/content",
            content,
            "A cover, as Google Books has it",
            parameters=(
                Parameter("id", "query", "An ISBN.", {"type": "string"}, "9780141439556"),
                Parameter("zoom", "query", "5 small, 1 medium, else large.", {"type": "string"}, "1"),
                Parameter("fife", "query", "Pixels, as w800-h900.", {"type": "string"}, "w200"),
            ),
        ),
    ),
    refuse,
)
