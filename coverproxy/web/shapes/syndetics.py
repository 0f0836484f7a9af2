"""Syndetics: /index.aspx?isbn=…/MC.GIF&client=KEY, and the index that VuFind reads first."""

import re
from collections.abc import Mapping

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import CoverError, MalformedPath, NoCover, NotAnIdentifier
from coverproxy.web import answers
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import EXAMPLE_KEY, Parameter
from coverproxy.web.bounds import as_xml
from coverproxy.web.errors import Meaning
from coverproxy.web.serve import serve_first
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import Route, Shape, fields, find_shown, in_field, keep, with_body

SCHEMES = ("isbn", "issn", "oclc", "upc")
"""Its identifiers, in the order to try them."""

SIZES = {"sc": "small", "mc": "medium", "lc": "large"}

_PICTURE = re.compile(r"(sc|mc|lc)\.(?:gif|jpe?g)", re.IGNORECASE)
_INDEX = "index.xml"
_XML = "text/xml; charset=utf-8"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


async def page(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve a picture, or the index of existing ones. Reviews and tables of contents are 404."""
    named, wanted = read(fields(request))
    if wanted == _INDEX:
        return await _index(request, named)
    found = _PICTURE.fullmatch(wanted)
    if found is None:
        raise MalformedPath(
            f"{wanted[:40]!r} is not available; expected index.xml, or SC, MC or LC with .GIF or .JPG"
        )
    return await serve_first(request, key, identify.all_of(SIZES[found[1].lower()], named))


def read(asked: Mapping[str, list[str]]) -> tuple[list[tuple[str, str]], str]:
    """Return the identifiers as (scheme, text), and the requested page, in lower case.

    The page follows the last identifier, whichever that is, or is in a field of its own.
    """
    named: list[tuple[str, str]] = []
    wanted = asked.get("pagename", [""])[0].strip("/")
    for scheme in SCHEMES:
        for value in asked.get(scheme, []):
            text, _, behind = value.partition("/")
            wanted = behind or wanted
            if text.strip():
                named.append((scheme, text))
    return named, wanted.lower()


async def _index(request: web.Request, named: list[tuple[str, str]]) -> web.Response:
    """List the existing pictures: all three of a cover, or none."""
    try:
        choices = identify.all_of("medium", named)
    except (NoCover, NotAnIdentifier):
        choices = []
    sought = await find_shown(request, {str(at): each for at, each in enumerate(choices)})
    inside = "<SC>SC.GIF</SC><MC>MC.GIF</MC><LC>LC.JPG</LC>"
    text = f"{_HEAD}<INDEX>{inside}</INDEX>\n" if sought.found else f"{_HEAD}<INDEX/>\n"
    headers = {**answers.COMMON, **keep(request, is_settled=sought.is_settled), "Content-Type": _XML}
    return answers.send(Answer(200, headers, text.encode()))


def refuse(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer | None:
    """Refuse the index with XML, and a picture as our own addresses do."""
    if _INDEX not in request.path_qs.lower():
        return None
    return with_body(request, error, how, _XML, as_xml(how.title))


SHAPE = Shape(
    "syndetics",
    tuple(
        Route(
            path,
            page,
            "A cover, or an index of its pictures, as Syndetics",
            ("image/gif", "image/jpeg", "text/xml"),
            (
                Parameter(
                    "isbn",
                    "query",
                    "The ISBN, and /MC.GIF or /index.xml after the last identifier.",
                    {"type": "string"},
                    "9780141439556/MC.GIF",
                ),
                Parameter("client", "query", "The developer key.", {"type": "string"}, EXAMPLE_KEY),
            ),
            pattern=pattern,
        )
        for path, pattern in (
            ("/index.aspx", r"/{page:(?i:index\.aspx)}"),
            ("/hw7.pl", r"/{page:(?i:hw7\.pl)}"),
        )
    ),
    refuse,
    in_field("client"),
)
