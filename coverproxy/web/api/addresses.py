"""Every address of the service, as /openapi.json describes it: data, a few lines each."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from coverproxy.config import Config
from coverproxy.domain import errors, schemes
from coverproxy.domain.api_key import NAME_PATTERN
from coverproxy.domain.formats import Format
from coverproxy.service.changes_json import MOST_CHANGES, ChangeList
from coverproxy.web.api import batch, bodies, originals
from coverproxy.web.api import page_schemas as pages
from coverproxy.web.api.address import EXAMPLE_KEY, Address, Parameter
from coverproxy.web.api.page_addresses import ADMIN, HTML, JSON, TYPED, form, shown
from coverproxy.web.api.schemas import MAX_ISBNS, Asked, Have, Info, Usage
from coverproxy.web.jsonp import MAX_CALLBACK
from coverproxy.web.shapes import table
from coverproxy.web.shapes.info import ABOUT

KEY = Parameter(
    "key", "path", "The developer key.", {"type": "string", "pattern": f"^{NAME_PATTERN}$"}, EXAMPLE_KEY
)
ISBN = Parameter(
    "isbn", "path", "An ISBN in any spelling that a catalogue sends.",
    {"type": "string", "minLength": 1}, "9780141439556",
)  # fmt: skip
SCHEME = Parameter(
    "scheme", "path", "The identifier's scheme; local:AGENCY is the operator's own.",
    {"type": "string", "enum": [*schemes.ALL]}, "isbn",
)  # fmt: skip
VALUE = Parameter(
    "value", "path", "An identifier in any spelling that a catalogue sends.",
    {"type": "string", "minLength": 1}, "9780141439556",
)  # fmt: skip
FALLBACK = Parameter(
    "fallback", "query",
    "How far another edition may be that stands in for a missing cover: format, edition or translation; "
    "any other word: none does.",
    {"type": "string"}, "none",
)  # fmt: skip
_TEXT = {"type": "string"}
_BINARY: dict[str, Any] = {}
"""Bytes in OpenAPI 3.1: a media type and an empty schema."""

_SINCE = {"anyOf": [{"type": "string", "pattern": "^[0-9]{1,18}$"}, {"type": "string", "format": "date"}]}

_KEYED = (errors.UnknownKey, errors.KeyNotForSite)
_LISTED = (
    *_KEYED, errors.BadQuestion, errors.TooMany, errors.TooLong, errors.TooLarge, errors.TooSlow, errors.Busy,
    errors.Unavailable,
)  # fmt: skip
_COVER = (
    *_KEYED, errors.NoCover, errors.NotAnIsbn, errors.NotAnIdentifier, errors.UnknownScheme,
    errors.QuotaUsedUp, errors.TooFast, errors.Busy,
    errors.Pending, errors.Unavailable, errors.NoSuchSize, errors.MalformedPath,
)  # fmt: skip


_EACH = (
    "By identifier as sent, an ISBN or scheme:value: true, it has a cover; false, no cover is known; "
    "null, it is invalid."
)


def addresses(config: Config) -> tuple[Address, ...]:
    """Describe every address under this config."""
    sizes, formats = tuple(config.sizes), config.formats.enabled
    every = (*config.size_table.sizes, *config.size_table.aliases)
    return (
        *_PAGES,
        *_UPLOADS,
        *batch.addresses(sizes),
        *_tagged("covers", (_cover(every, formats), _try(sizes, formats))),
        *_tagged("keys", _OF_KEYS),
        *_tagged("originals", originals.addresses(KEY)),
        *_tagged("admin", _ADMIN),
        *_tagged("others", table.described(config, KEY)),
    )


def _tagged(tag: str, addresses: Iterable[Address]) -> Iterable[Address]:
    return (replace(each, tag=tag) for each in addresses)


def page(path: str, summary: str, media_type: str = HTML) -> Address:
    """Describe a page, or a part of one: for people, so only by its address and type."""
    return Address(path, summary, {media_type: _TEXT})


_DOCUMENT: dict[str, Any] = {"type": "object", "description": "An OpenAPI 3.1 document."}
"""Its own specification says what is in it."""

_SOUGHT = Parameter(
    "q", "query", "An ISBN in any spelling, or scheme:value.", {"type": "string"}, "0141439513"
)

_PAGES = (
    shown("/", "The home page: some covers, and a field to find one", pages.HomePage, TYPED),
    Address(
        "/item",
        "Redirects to the page of the item that was typed (303)",
        {},
        parameters=(_SOUGHT,),
        is_page=True,
    ),
    Address(
        "/item/{scheme}/{value}",
        "An item: its cover, sizes, HTML to copy, where it comes from",
        {HTML: _TEXT, JSON: pages.ItemPage},
        parameters=(SCHEME, VALUE),
        is_page=True,
        route=r"/item/{scheme}/{value:[\s\S]+}",
    ),
    shown("/keys", "About keys, with the form to request one", pages.KeysPage),
    form("/keys", "Get a key", pages.GivenKey, status=201),
    shown(
        "/keys/given",
        "The key just issued to this browser; else redirects to the form (303)",
        pages.GivenKey,
    ),
    shown("/status", "The service's contents, health and history", pages.Status),
    Address("/status.json", "The same as JSON, whatever Accept says", {JSON: pages.Status}),
    shown(
        "/docs",
        "How to use this service: guides, and every address; as JSON, this document",
        _DOCUMENT,
        Parameter(
            "key",
            "query",
            "A key to put into the examples.",
            {"type": "string"},
        ),
    ),
    page("/style.css", "The pages' stylesheet", "text/css"),
    page("/page.js", "The pages' script, which adds copy buttons", "text/javascript"),
    page("/favicon.svg", "The pages' icon", "image/svg+xml"),
    page("/favicon.ico", "The same, at the default location", "image/svg+xml"),
    page("/robots.txt", "robots.txt", "text/plain"),
    Address("/openapi.json", "This document", {JSON: _DOCUMENT}),
)

_ITEM = r"/{scheme}/{value:[^/]+}"
_SEEN = Parameter("seen", "path", "What the page of a sent picture is called; signed, for an hour.",
                  {"type": "string"}, "a.b.c")  # fmt: skip


_SENT: dict[str, Any] = {
    "type": "object",
    "required": ["token", "file"],
    "properties": {"token": _TEXT, "file": {"type": "string", "format": "binary"}},
}
"""The token is one that only our pages issue, and stands before the file."""


def _upload(folder: str, whose: str) -> tuple[Address, Address]:
    """Describe the upload page of a kind of sender, and the target of its form."""
    path, route, parameters = f"{folder}/{{scheme}}/{{value}}", f"{folder}{_ITEM}", (SCHEME, VALUE)
    asks = Address(
        path, f"The form to send a cover, {whose}", {HTML: _TEXT, JSON: pages.UploadPage},
        parameters=parameters, is_page=True, route=route,
    )  # fmt: skip
    takes = Address(
        path, "Redirects to how it looks in every size", {}, "post", parameters=parameters, is_page=True,
        takes={"multipart/form-data": _SENT}, route=route,
    )  # fmt: skip
    return asks, takes


_UPLOADS = (
    *_upload("/upload", "with a key and its owner's secret"),
    shown("/upload/seen/{seen}", "How a sent picture looks in every size", pages.SentPicture, _SEEN),
    form("/upload/seen/{seen}", "Save a sent picture, or discard it", pages.SentPicture, _SEEN),
    Address(
        "/upload/seen/{seen}/{size}.jpg", "A sent picture in one size", {"image/jpeg": _BINARY},
        parameters=(_SEEN, Parameter("size", "path", "A size of the config.", {"type": "string"}, "small")),
        is_page=True, route="/upload/seen/{seen}/{size:[a-z0-9]+}.jpg",
    ),
    Address(
        "/report/{scheme}/{value}", "The cover, with the form to report it",
        {HTML: _TEXT, JSON: pages.ReportPage}, parameters=(SCHEME, VALUE), is_page=True,
        route=f"/report{_ITEM}",
    ),
    Address(
        "/report/{scheme}/{value}", "Report a cover: the form's fields, or the same as JSON",
        {HTML: _TEXT, JSON: pages.ReportStatePage}, "post", parameters=(SCHEME, VALUE), is_page=True,
        statuses=(201,), takes={"application/x-www-form-urlencoded": bodies.FORM, JSON: bodies.REPORT},
        route=f"/report{_ITEM}",
    ),
    shown("/report/{code}", "What became of a report", pages.ReportStatePage, Parameter(
        "code", "path", "The report's number.", _TEXT, "AAAA-BBBB-CCCC-DDDD",
    )),
    page("/upload.js", "The upload page's script: drop, paste and preview", "text/javascript"),
)  # fmt: skip

_OF_KEYS = (
    Address(
        "/devkey/{key}/usage", "A key's quota, usage, missing covers and refusals",
        {JSON: Usage, HTML: _TEXT}, parameters=(KEY, TYPED), is_page=True,
    ),
    form(
        "/devkey/{key}/usage", "Change or replace a key, with its owner's secret", Usage | pages.ReplacedKey,
        KEY,
    ),
    Address(
        "/devkey/{key}/usage/missing.csv", "The most requested ISBNs without a cover", {"text/csv": _TEXT},
        parameters=(KEY,), is_page=True,
    ),
    Address(
        "/devkey/{key}/changes", "Which covers changed since a number", {JSON: ChangeList, "text/csv": _TEXT},
        parameters=(
            KEY,
            Parameter("since", "query", "The `next` of the last answer, or a date.", _SINCE, "0"),
            Parameter("limit", "query", "Most changes at once.",
                      {"type": "integer", "minimum": 1, "maximum": MOST_CHANGES}, 100),
            Parameter("format", "query", "json or csv.", {"type": "string", "enum": ["json", "csv"]}, "json"),
        ),
        refuses=(*_KEYED, errors.BadQuestion, errors.Unavailable),
    ),
    Address(
        "/devkey/{key}/info/{scheme}/{value}", "What is known about a cover; free of quota", {JSON: Info},
        parameters=(KEY, SCHEME, VALUE, FALLBACK),
        refuses=(*_KEYED, errors.UnknownScheme, errors.Unavailable),
        route=ABOUT,
    ),
    Address(
        "/devkey/{key}/info", "Which of a list of ISBNs have covers; free of quota",
        {JSON: Have, "text/javascript": _TEXT}, tells=f"{_EACH} With a callback, as JSONP.",
        parameters=(
            KEY,
            Parameter(
                "isbn", "query", f"At most {MAX_ISBNS} ISBNs in all, separated by commas.",
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_ISBNS},
                ["9780141439556", "0140449132"], is_list=True,
            ),
            Parameter(
                "callback", "query", "JSONP: the function to call with the answer.",
                {"type": "string", "maxLength": MAX_CALLBACK,
                 "pattern": r"^[A-Za-z_$][A-Za-z0-9_$]*(\.[A-Za-z_$][A-Za-z0-9_$]*)*$"},
                "show",
            ),
        ),
        refuses=_LISTED,
    ),
    Address(
        "/devkey/{key}/info", "Which of a list of ISBNs have covers; free of quota", {JSON: Have},
        method="post", tells=f"{_EACH} Text has one per line.", parameters=(KEY,),
        takes={JSON: Asked, "text/plain": _TEXT | {"minLength": 1}}, refuses=(*_LISTED, errors.UnreadType),
    ),
)  # fmt: skip


_ADMIN = (*ADMIN, *_upload("/admin/upload", "for administrators"))
"""Without a way to log in (config: [admin]) all of them are 404."""


def _try(sizes: tuple[str, ...], formats: Iterable[Format]) -> Address:
    """Describe the home page's own covers."""
    size = Parameter("size", "path", "A size of the config.", {"type": "string", "enum": [*sizes]}, sizes[-1])
    return Address(
        "/try/{size}/{scheme}/{value}", "A cover for this site's own pages, without a key",
        dict.fromkeys(sorted({"image/gif", *(form.media_type for form in formats)}), _BINARY),
        parameters=(size, SCHEME, VALUE), refuses=_COVER, is_image=True,
        route=r"/try/{size}/{scheme}/{value:[\s\S]+}",
    )  # fmt: skip


def _cover(sizes: tuple[str, ...], formats: Iterable[Format]) -> Address:
    """Describe the main address of the service."""
    size = Parameter(
        "size", "path", "A size of the config, in any case.", {"type": "string", "enum": [*sizes]}, sizes[-1]
    )
    return Address(
        "/devkey/{key}/{size}/{scheme}/{value}", "A cover",
        dict.fromkeys(sorted({"image/gif", *(form.media_type for form in formats)}), _BINARY),
        tells=(
            "Never a redirect. A missing cover is 200 with a transparent 1x1 GIF of 43 "
            "bytes, and X-Cover-Status says why. With ?default=404 or for a strict key it is an error as "
            "text, and with Accept: application/json a problem. WebP and AVIF come only where Accept names "
            "them, or where the address ends in .webp or .avif."
        ),
        parameters=(KEY, size, SCHEME, VALUE, Parameter(
            "default", "query",
            "404 or false: errors are errors. gif, card and own: what to show for a missing cover.",
            {"type": "string"}, "gif",
        ), FALLBACK),
        refuses=_COVER, route="/{path:.*}", is_image=True,
    )  # fmt: skip
