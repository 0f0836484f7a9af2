"""Open Library's Books API, /api/books?bibkeys=…, and Read API, /api/volumes/brief/json/…."""

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.domain import isbn, schemes
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import BadQuestion, TooMany
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.item_title import ItemTitle
from coverproxy.domain.original import Original
from coverproxy.web import jsonp
from coverproxy.web.api.address import Parameter
from coverproxy.web.paths import path_of, versioned
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import (
    BIBKEYS,
    CALLBACK,
    JSON,
    MAX_IDS,
    SCRIPT,
    Route,
    Shape,
    as_json,
    fields,
    find_shown,
    json,
    listed,
    page_address,
    start,
    titles_of,
)

COMMANDS = ("viewapi", "data", "details")
VARIABLE = "_OLBookInfo"
Titles = Mapping[Identifier, ItemTitle]

_KINDS = ("isbn", "oclc", "lccn", "issn", "olid")


class BooksView(TypedDict):
    """A book that has a cover (jscmd=viewapi)."""

    bib_key: Annotated[str, Field(description="The identifier as it was sent.")]
    info_url: str
    preview: Literal["noview"]
    preview_url: str
    thumbnail_url: str


class BooksDetails(BooksView):
    """The same with its identifiers (jscmd=details)."""

    details: dict[str, str | list[str] | list[int]]


class BooksCover(TypedDict):
    """A cover's addresses."""

    small: str
    medium: str
    large: str


class BooksAuthor(TypedDict):
    """An author, as a sender of the book writes the name."""

    name: str


class BooksData(TypedDict):
    """A book that has a cover (jscmd=data)."""

    url: str
    key: str
    title: Annotated[str, Field(description="What senders call it; empty if none said.")]
    authors: NotRequired[list[BooksAuthor]]
    identifiers: Annotated[dict[str, list[str]], Field(description="By scheme; isbn_13 and isbn_10.")]
    cover: BooksCover


class ReadRecord(TypedDict):
    """A book of the Read API."""

    isbns: list[str]
    data: BooksData


class ReadRecords(TypedDict):
    """The book that an item means; no copies to read."""

    records: dict[str, ReadRecord]
    items: list[str]


async def books(request: web.Request, key: Key) -> web.StreamResponse:
    """Return the cover's addresses for each key that has one; keys without one are omitted."""
    asked = fields(request)
    name = jsonp.callback(asked.get("callback", []))
    command = (asked.get("jscmd", [""])[0] or "viewapi").lower()
    if command not in COMMANDS:
        raise BadQuestion(f"jscmd={command[:40]!r}; expected one of {', '.join(COMMANDS)}")
    if "bibkeys" not in asked:
        raise BadQuestion("expected bibkeys=ISBN:…,ISBN:…")
    sought = await find_shown(request, identify.bibkeys("medium", listed(asked["bibkeys"])))
    titles = await titles_of(request, sought.found) if command != "viewapi" else {}
    told = {text: _told(request, command, text, each, titles) for text, each in sought.found.items()}
    ending = request.path.rpartition(".")[2]  # /api/books.json, unless a field says more
    variable = "" if asked.get("format", [ending])[0].lower() == "json" else VARIABLE
    return json(request, told, is_settled=sought.is_settled, name=name, variable=variable)


def _told(
    request: web.Request, command: str, text: str, original: Original, titles: Titles
) -> BooksView | BooksDetails | BooksData:
    if command == "data":
        return _data(request, original, titles)
    book = original.identifier
    page = page_address(request, book)
    view: BooksView = {
        "bib_key": text,
        "info_url": page,
        "preview": "noview",
        "preview_url": page,
        "thumbnail_url": _pictures(request, original)["small"],
    }
    if command != "details":
        return view
    details: dict[str, str | list[str] | list[int]] = {**_identifiers(book), "key": _name(book)}
    details["title"] = titles[book].title if book in titles else ""
    if book.scheme in (ISBN, schemes.ISMN):
        details["covers"] = [int(book.value)]  # the number in /b/id/
    return {**view, "details": details}


def _data(request: web.Request, original: Original, titles: Titles) -> BooksData:
    book = original.identifier
    known = titles.get(book)
    told: BooksData = {
        "url": page_address(request, book),
        "key": _name(book),
        "title": known.title if known else "",
        "identifiers": _identifiers(book),
        "cover": _pictures(request, original),
    }
    if known and known.author:
        told["authors"] = [{"name": known.author}]
    return told


def _read_data(request: web.Request, original: Original, titles: Titles) -> BooksData:
    """Describe a book with addresses by its identifier: Evergreen fetches them, and counts errors.

    Of a number, programs get one where the picture cannot be made now.
    """
    return {**_data(request, original, titles), "cover": _at(request, original, path_of(original.identifier))}


def _name(book: Identifier) -> str:
    return f"/books/{book.scheme}:{book.value}"


def _identifiers(book: Identifier) -> dict[str, list[str]]:
    if book.scheme != ISBN:
        return {book.scheme: [book.value]}
    ten = isbn.to_isbn10(book.value)
    return {"isbn_13": [book.value]} | ({"isbn_10": [ten]} if ten else {})


def _pictures(request: web.Request, original: Original) -> BooksCover:
    """Return the three addresses; for ISBNs by number, since BookWyrm parses that from them."""
    book = original.identifier
    place = f"id/{book.value}" if book.scheme in (ISBN, schemes.ISMN) else path_of(book)
    return _at(request, original, place)


def _at(request: web.Request, original: Original, place: str) -> BooksCover:
    def at(letter: str) -> str:
        return versioned(f"{start(request)}/b/{place}-{letter}.jpg", original)

    return {"small": at("S"), "medium": at("M"), "large": at("L")}


async def volumes(request: web.Request, key: Key) -> web.StreamResponse:
    """Return for each item, `id:1;isbn:…;oclc:…|id:2;…`, its first identifier that has a cover."""
    name = jsonp.callback(fields(request).get("callback", []))
    items = _items(request.match_info["items"])
    every = {text for texts in items.values() for text in texts}
    sought = await find_shown(request, identify.bibkeys("medium", every))
    found = {
        name: next((sought.found[text] for text in texts if text in sought.found), None)
        for name, texts in items.items()
    }
    titles = await titles_of(request, sought.found)
    told = {item: _record(request, original, titles) for item, original in found.items() if original}
    return json(request, told, is_settled=sought.is_settled, name=name)


async def volume(request: web.Request, key: Key) -> web.StreamResponse:
    """Return the book of one identifier; an empty list if it has no cover."""
    name = jsonp.callback(fields(request).get("callback", []))
    text = f"{request.match_info['kind']}:{request.match_info['value'].removesuffix('.json')}"
    sought = await find_shown(request, identify.bibkeys("medium", [text]))
    titles = await titles_of(request, sought.found)
    book = sought.found.get(text)
    told: ReadRecords | list[str] = _record(request, book, titles) if book else []
    return json(request, told, is_settled=sought.is_settled, name=name)


def _items(text: str) -> Mapping[str, list[str]]:
    """Parse the items, by the name to answer under: their `id`, else their whole text."""
    items: dict[str, list[str]] = {}
    for item in text.removesuffix(".json").split("|"):
        parts = [part for part in item.split(";") if part.strip()]
        names = [part[3:] for part in parts if part.lower().startswith("id:")]
        items[names[0] if names else item] = [part for part in parts if not part.lower().startswith("id:")]
    count = sum(map(len, items.values()))
    if count > MAX_IDS:
        raise TooMany(f"{count} identifiers at once; the limit is {MAX_IDS}")
    return items


def _record(request: web.Request, original: Original, titles: Titles) -> ReadRecords:
    book = original.identifier
    record: ReadRecord = {
        "isbns": [each for kind in ("isbn_10", "isbn_13") for each in _identifiers(book).get(kind, [])],
        "data": _read_data(request, original, titles),
    }
    return {"records": {_name(book): record}, "items": []}


SHAPE = Shape(
    "openlibrary-books",
    (
        *(
            Route(
                f"/api/books{ending}",
                books,
                "Which books have covers, as Open Library's Books API",
                (JSON, SCRIPT),
                (
                    BIBKEYS,
                    Parameter(
                        "jscmd",
                        "query",
                        "viewapi, data or details.",
                        {"type": "string", "enum": [*COMMANDS]},
                        "data",
                    ),
                    Parameter("format", "query", "json, or a script.", {"type": "string"}, "json"),
                    CALLBACK,
                ),
                json=dict[str, BooksDetails | BooksView | BooksData],
            )
            for ending in ("", ".json")
        ),
        Route(
            "/api/volumes/brief/json/{items}",
            volumes,
            "The same as Open Library's Read API",
            (JSON, SCRIPT),
            (
                Parameter(
                    "items", "path", "id:1;isbn:…|id:2;oclc:…", {"type": "string"}, "isbn:9780141439556"
                ),
                CALLBACK,
            ),
            pattern=r"/api/volumes/{detail:brief|full}/json/{items:[\s\S]+}",
            json=dict[str, ReadRecords],
        ),
        Route(
            "/api/volumes/brief/{kind}/{value}",
            volume,
            "The same of one book",
            (JSON, SCRIPT),
            (
                Parameter(
                    "kind", "path", "The identifier's scheme.", {"type": "string", "enum": [*_KINDS]}, "isbn"
                ),
                Parameter("value", "path", "Its value, and .json.", {"type": "string"}, "9780141439556.json"),
                CALLBACK,
            ),
            pattern=rf"/api/volumes/{{detail:brief|full}}/{{kind:(?i:{'|'.join(_KINDS)})}}/{{value:[\s\S]+}}",
            json=ReadRecords | list[str],
        ),
    ),
    as_json,
)
