"""openBD: /v1/get?isbn=A,B, which returns a list of the same length, and /{isbn13}.jpg."""

from urllib.parse import parse_qs

from aiohttp import web
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import BadQuestion, CoverError, NoCover, NotAnIdentifier, TooMany, UnreadType
from coverproxy.domain.item_title import ItemTitle
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Wanted
from coverproxy.web import answers, bodies
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import Parameter
from coverproxy.web.app_keys import CONFIG
from coverproxy.web.errors import Meaning
from coverproxy.web.serve import serve
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import (
    JSON,
    MAX_IDS,
    Route,
    Shape,
    as_json,
    cover_address,
    fields,
    find_shown,
    json,
    titles_of,
)


class OpenbdSummary(TypedDict):
    """What openBD says of a book; here its number and its cover, the rest empty."""

    isbn: str
    title: str
    volume: str
    series: str
    publisher: str
    pubdate: str
    cover: str
    author: str


class OpenbdVersion(TypedDict):
    """Where a picture is (ONIX: ResourceVersion)."""

    ResourceForm: str
    ResourceLink: str


class OpenbdResource(TypedDict):
    """A front cover (ONIX: SupportingResource)."""

    ResourceContentType: str
    ContentAudience: str
    ResourceMode: str
    ResourceVersion: list[OpenbdVersion]


class OpenbdIdentifier(TypedDict):
    """An ISBN-13 (ONIX: ProductIdentifier)."""

    ProductIDType: str
    IDValue: str


class OpenbdDetail(TypedDict):
    """ONIX: CollateralDetail."""

    SupportingResource: list[OpenbdResource]


class OpenbdOnix(TypedDict):
    """The part of an ONIX record with the cover."""

    RecordReference: str
    NotificationType: str
    ProductIdentifier: OpenbdIdentifier
    CollateralDetail: OpenbdDetail


class OpenbdBook(TypedDict):
    """A book that has a cover."""

    onix: OpenbdOnix
    hanmoto: dict[str, str]
    summary: OpenbdSummary


MOST_POSTED = 10_000
MAX_BODY_BYTES = 262_144
"""Ten thousand ISBNs with hyphens and commas."""

_POSTED = {"type": "object", "properties": {"isbn": {"type": "string", "minLength": 1}}, "required": ["isbn"]}
_FORM = "application/x-www-form-urlencoded"


async def get(request: web.Request, key: Key) -> web.StreamResponse:
    """Describe each ISBN, in the requested order; null if it has no cover."""
    asked = fields(request)
    if "isbn" not in asked:
        raise BadQuestion("expected isbn=…")
    return await _answer(request, ",".join(asked["isbn"]), MAX_IDS)


async def post(request: web.Request, key: Key) -> web.StreamResponse:
    """The same for more ISBNs, posted as a form."""
    if request.content_type != _FORM:
        raise UnreadType(f"{request.content_type[:60]!r} is not supported; expected {_FORM}")
    body = await bodies.read(request, MAX_BODY_BYTES)
    try:
        isbns = parse_qs(body.decode(), max_num_fields=10).get("isbn", [])
    except ValueError as exc:  # not UTF-8, or more fields than any client sends
        raise BadQuestion("the form cannot be read") from exc
    if not isbns:
        raise BadQuestion("expected isbn=…")
    return await _answer(request, ",".join(isbns), MOST_POSTED)


async def _answer(request: web.Request, text: str, most: int) -> web.Response:
    texts = text.split(",")
    if len(texts) > most:
        raise TooMany(f"{len(texts)} ISBNs at once; the limit is {most}")
    wanted: dict[str, Wanted] = {}
    for each in dict.fromkeys(texts):
        try:
            wanted[each] = identify.wanted("large", "isbn", each)
        except (NoCover, NotAnIdentifier):
            continue
    sought = await find_shown(request, wanted)
    titles = await titles_of(request, sought.found)
    books = [sought.found.get(each) for each in texts]
    told = [_told(request, each, titles.get(each.identifier)) if each else None for each in books]
    return json(request, told, is_settled=sought.is_settled, name=None)


def _told(request: web.Request, original: Original, title: ItemTitle | None) -> OpenbdBook:
    """Describe a book as openBD does: a summary, and the part of an ONIX record with the cover."""
    isbn, url = original.identifier.value, cover_address(request, original, "large")
    summary: OpenbdSummary = {
        "isbn": isbn, "title": title.title if title else "", "volume": "", "series": "", "publisher": "",
        "pubdate": "", "cover": url, "author": title.author if title else "",
    }  # fmt: skip
    return {"onix": _onix(isbn, url), "hanmoto": {}, "summary": summary}


def _onix(isbn: str, url: str) -> OpenbdOnix:
    resource: OpenbdResource = {
        "ResourceContentType": "01",
        "ContentAudience": "01",
        "ResourceMode": "03",
        "ResourceVersion": [{"ResourceForm": "02", "ResourceLink": url}],
    }
    return {
        "RecordReference": isbn,
        "NotificationType": "03",
        "ProductIdentifier": {"ProductIDType": "15", "IDValue": isbn},
        "CollateralDetail": {"SupportingResource": [resource]},
    }


async def picture(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve a book's cover."""
    return await serve(request, key, identify.wanted("large", "isbn", request.match_info["isbn"]))


def refuse(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer | None:
    """Refuse with JSON; a picture with a status: openBD has no placeholder."""
    if not request.path.lower().endswith(".jpg"):
        return as_json(request, error, how, is_strict)
    if not isinstance(error, NoCover | NotAnIdentifier):
        return None
    headers = answers.refusal_headers(error, how, request.app[CONFIG].answers)
    return Answer(404, headers | {"Content-Type": "text/plain; charset=utf-8"}, f"{how.title}.\n".encode())


_BOOKS = list[OpenbdBook | None]

_ISBNS = Parameter(
    "isbn", "query", "ISBNs, separated by commas.", {"type": "string"}, "9780141439556", is_required=True
)

SHAPE = Shape(
    "openbd",
    (
        Route(
            "/v1/get",
            get,
            "Which of a list have covers, as openBD",
            (JSON,),
            (_ISBNS,),
            json=_BOOKS,
        ),
        Route(
            "/v1/get",
            post,
            "The same for more ISBNs",
            (JSON,),
            method="post",
            takes={_FORM: _POSTED},
            json=_BOOKS,
        ),
        Route(
            "/{isbn}.jpg",
            picture,
            "A cover, as openBD has it",
            parameters=(
                Parameter(
                    "isbn",
                    "path",
                    "An ISBN-13.",
                    {"type": "string", "pattern": "^[0-9]{13}$"},
                    "9780141439556",
                ),
            ),
            pattern="/{isbn:[0-9]{13}}.{ending:(?i:jpg)}",
        ),
    ),
    refuse,
)
