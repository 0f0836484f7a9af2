"""The parts of every foreign shape: its routes, where its key is, how it refuses."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from coverproxy.config import ShapeName
from coverproxy.domain.api_key import Key, is_secret
from coverproxy.domain.errors import Busy, CoverError, TooLong, TooMany, Unavailable, UnknownKey
from coverproxy.domain.formats import Format
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.item_title import ItemTitle
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Spec, Wanted
from coverproxy.service.find_covers import Sought
from coverproxy.stats.downloads import NATIVE
from coverproxy.web import answers, jsonp
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import Parameter
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, COVERS, KEY
from coverproxy.web.client_ip import asked_url, base_url
from coverproxy.web.errors import Meaning, told
from coverproxy.web.paths import path_of, versioned
from coverproxy.web.visitor import site
from coverproxy.web.waits import JSON_SECONDS

MAX_IDS = 1000
"""Most identifiers in one request: as many as openBD takes, and several times what any client sends."""

MAX_QUERY = 16_384
"""Longest query in characters: a thousand ISBNs with their commas."""

JSON = "application/json"
SCRIPT = "application/javascript"
IMAGES = ("image/gif", "image/jpeg")

Handler = Callable[[web.Request, Key], Awaitable[web.StreamResponse]]
Refuse = Callable[[web.Request, CoverError, Meaning, bool], Answer | None]


@dataclass(frozen=True, slots=True)
class Route:
    """One address of a shape, without its prefix.

    `gives`: the media types of a 200's body. `json`: the type of its JSON. `takes`: the schema of a request's
    body by its media type.
    `pattern`: the router's, if it differs from the path. `has_root`: also added without our prefix.
    """

    path: str
    handler: Handler
    summary: str
    gives: tuple[str, ...] = IMAGES
    parameters: tuple[Parameter, ...] = ()
    method: str = "get"
    pattern: str = ""
    takes: Mapping[str, Any] | None = None
    has_root: bool = True
    json: Any = None

    @property
    def is_image(self) -> bool:
        """Whether it answers with a cover."""
        return "image/jpeg" in self.gives


def as_ever(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer | None:
    """Refuse as our own image addresses do: with the placeholder, or a status if the client wants one."""
    return None


def as_json(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer | None:
    """Refuse with `{"error": "…"}`, as services with JSON answers do."""
    return with_body(request, error, how, JSON, orjson.dumps({"error": told(error)}))


def with_body(
    request: web.Request, error: CoverError, how: Meaning, kind: str, body: bytes, status: int = 0
) -> Answer:
    """Refuse with the shape's own body; *status*: overrides the table's."""
    headers = answers.refusal_headers(error, how, request.app[CONFIG].answers)
    return Answer(status or how.status, headers | {"Content-Type": kind}, body)


async def no_field(request: web.Request) -> str | None:
    """Return no key: this shape has no field for one."""
    return None


def in_field(*names: str) -> Callable[[web.Request], Awaitable[str | None]]:
    """Return a function that reads the key from a field of the query, ignoring the case of its name."""

    async def key_of(request: web.Request) -> str | None:
        return field(request, *names).strip() or None

    return key_of


@dataclass(frozen=True, slots=True)
class Shape:
    """The addresses of another service, serving the same covers.

    `key_of`: returns the key from the shape's own field. `refuse`: the shape's own refusal; None: as our own
    addresses do. `never_fails`: its clients must see no error, not even one that they ask for by a
    condition or a range.
    """

    name: ShapeName
    routes: tuple[Route, ...]
    refuse: Refuse = as_ever
    key_of: Callable[[web.Request], Awaitable[str | None]] = no_field
    never_fails: bool = False


CALLBACK = Parameter(
    "callback", "query", "JSONP: the function to call.",
    {"type": "string", "maxLength": jsonp.MAX_CALLBACK, "pattern": jsonp.PATTERN}, "show",
)  # fmt: skip

BIBKEYS = Parameter(
    "bibkeys", "query", "ISBN:…, OCLC:… or bare, separated by commas.", {"type": "string"},
    "ISBN:9780141439556", is_required=True,
)  # fmt: skip

SHAPE: web.RequestKey[Shape] = web.RequestKey("shape", Shape)
"""The shape of the request's path: set first, since it determines how errors look."""


def shape_name(request: web.Request) -> str:
    """Return the name of the shape of the request's path: our own is LibraryThing's."""
    shape = request.get(SHAPE)
    return shape.name if shape else NATIVE


PREFIX: web.RequestKey[str] = web.RequestKey("prefix", str)
"""The prefix of a shape's paths in answers: `/devkey/KEY`, or nothing if the host's key is used."""


def answering(shape: Shape, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Wrap a route's handler, so that it is called with the key."""

    async def answer(request: web.Request) -> web.StreamResponse:
        request[SHAPE] = shape
        request[KEY] = await _authorize(request, shape)
        return await route.handler(request, request[KEY])

    return answer


async def _authorize(request: web.Request, shape: Shape) -> Key:
    """Return the key: of the path, of the shape's own field, or of the host.

    Where the host's key pays, the field may hold the vendor's own name of the client, no key of ours.
    Raises UnknownKey, KeyNotForSite.
    """
    accounts = request.app[ACCOUNTS]
    in_path = request.match_info.get("key")
    named = in_path or await shape.key_of(request)
    pays = request.app[CONFIG].shapes.hosts.get(_host(request))
    if pays and named and not in_path and accounts.account_of(named) is None and not is_secret(named):
        named = None
    name = named or pays
    if not name:
        raise UnknownKey("no key: expected /devkey/KEY before this path")
    request[PREFIX] = f"/devkey/{name}" if named else ""
    return await accounts.authorize(name, site(request))


def _host(request: web.Request) -> str:
    """Return the requested host, without its port."""
    return request.host.rpartition("@")[2].partition(":")[0].lower().rstrip(".")


def field(request: web.Request, *names: str) -> str:
    """Return the first value of the first of these fields that exists, ignoring case; else ""."""
    found = fields(request)
    return next((found[name][0] for name in names if name in found), "")


def asked_field(request: web.Request, name: str) -> str:
    """Return the same of a query of any length, for refusals: "" if the field does not exist."""
    return next(iter(_by_name(request).get(name, [])), "")


def fields(request: web.Request) -> Mapping[str, list[str]]:
    """Return the query's fields by their names in lower case. Raises TooLong.

    Some templates write `&amp;` into the address itself, so that a field's name begins with "amp;".
    """
    if len(request.rel_url.raw_query_string) > MAX_QUERY:
        raise TooLong(f"the query has more than {MAX_QUERY} characters")
    return _by_name(request)


def _by_name(request: web.Request) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in request.query.items():
        found.setdefault(name.lower().removeprefix("amp;"), []).append(value)
    return found


def listed(values: list[str], most: int = MAX_IDS) -> list[str]:
    """Return the entries of comma-separated lists: unique, in order, without blanks. Raises TooMany."""
    texts = [text for value in values for text in value.split(",")]
    if len(texts) > most:
        raise TooMany(f"{len(texts)} identifiers at once; the limit is {most}")
    return list(dict.fromkeys(text for text in texts if text.strip()))


def start(request: web.Request) -> str:
    """Return the beginning of addresses in an answer: the host and the prefix of this path.

    If the host's key is used, the address keeps that host: no other would be served without a key.
    """
    return f"{base_url(request) if request[PREFIX] else asked_url(request)}{request[PREFIX]}"


async def find(request: web.Request, wanted: Mapping[str, Wanted], within: float = JSON_SECONDS) -> Sought:
    """Find which of these books have a cover, and ask the sources, for *within* seconds.

    Books that cannot be looked up now, or that a source has not answered yet, are left out of an answer that
    must not be cached. An error instead would make some clients stop asking, for everybody.
    """
    looked_for = {text: each for text, each in wanted.items() if not is_off(request, each)}
    if not looked_for:
        return Sought({})
    try:
        return await request.app[COVERS].find(looked_for, within)
    except (Busy, Unavailable):
        return Sought({}, is_settled=False)


def is_off(request: web.Request, wanted: Wanted) -> bool:
    """Return whether the operator wants other services' addresses to find nothing by such identifiers."""
    off = request.app[CONFIG].shapes.schemes_off
    return bool(off) and SHAPE in request and all(each.scheme in off for each in wanted.identifiers)


async def find_shown(request: web.Request, wanted: Mapping[str, Wanted]) -> Sought:
    """Find the same, without covers that must be made and that the key may not have made any more today.

    Their addresses would give the pixel, which many a page shows as a cover. Covers in an object store, which
    other nodes made, cost nothing either: with one, all are told.
    """
    sought = await find(request, wanted)
    accounts, key = request.app[ACCOUNTS], request[KEY]
    may_make = accounts.counted_today(key) is None or accounts.allowance(key).left > 0
    if may_make or not sought.found or request.app[CONFIG].store.objects:
        return sought
    specs = {
        text: Spec(original.identifier, wanted[text].size, Format.JPEG)
        for text, original in sought.found.items()
    }
    made = await request.app[COVERS].made(specs.values())
    shown = {text: original for text, original in sought.found.items() if specs[text] in made}
    return Sought(shown, is_settled=sought.is_settled and len(shown) == len(sought.found))


async def titles_of(request: web.Request, found: Mapping[str, Original]) -> Mapping[Identifier, ItemTitle]:
    """Return what senders call books that were found: nothing where it cannot be looked up now."""
    try:
        return await request.app[COVERS].titles(each.identifier for each in found.values())
    except (Busy, Unavailable):
        return {}


def cover_address(request: web.Request, original: Original, size: str = "medium") -> str:
    """Return a cover's address for a JSON answer: our own, or Open Library's if the host's key is used.

    It ends in the cover's version: the clients of these shapes use the address as it is.
    """
    place = path_of(original.identifier)
    if request[PREFIX]:
        return versioned(f"{start(request)}/{size}/{place}.jpg", original)
    return versioned(f"{start(request)}/b/{place}-{size[0].upper()}.jpg", original)


def page_address(request: web.Request, book: Identifier) -> str:
    """Return the address of a book's page, for people."""
    return f"{base_url(request)}/item/{path_of(book)}"


def keep(request: web.Request, *, is_settled: bool) -> dict[str, str]:
    """Return how long an answer about covers may be cached: as long as "no cover", or not at all.

    Not at all while a source has not answered: clients cache "none" for a day (Coce).
    """
    seconds = request.app[CONFIG].answers.missing_max_age_seconds
    for_whom = "private" if request[KEY].sites else "public"
    return {"Cache-Control": f"{for_whom}, max-age={seconds}" if is_settled else "no-store"}


def json(
    request: web.Request, value: object, *, is_settled: bool, name: str | None, variable: str = ""
) -> web.Response:
    """Answer with JSON; as JSONP with a callback; else as a script that sets *variable*, if any."""
    headers = {**answers.COMMON, **keep(request, is_settled=is_settled)}
    if not name and not variable:
        return answers.send(Answer(200, headers | {"Content-Type": JSON}, orjson.dumps(value)))
    text = jsonp.call(value, name) if name else jsonp.assignment(value, variable)
    # with nosniff, browsers refuse scripts of another type
    return answers.send(Answer(200, headers | {"Content-Type": f"{SCRIPT}; charset=utf-8"}, text.encode()))
