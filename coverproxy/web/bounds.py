"""Limits on a request's address and body, checked before the router."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from xml.sax.saxutils import escape

import orjson
from aiohttp import hdrs, web

from coverproxy.domain.address_bounds import (
    LIST_AT_ROOT,
    LONG_PATHS,
    MANY_AT_ONCE,
    MAX_LONG_PATH_BYTES,
    MAX_PATH_BYTES,
    MAX_QUERY_BYTES,
    MAX_SEGMENTS,
)
from coverproxy.domain.errors import BadQuestion, CoverError, TooLong, UnreadType
from coverproxy.web import answers
from coverproxy.web.accept import accepted, wants_json
from coverproxy.web.answers import Answer
from coverproxy.web.app_keys import CONFIG, HOT, METRICS
from coverproxy.web.connections import HEAD_BYTES
from coverproxy.web.errors import meaning
from coverproxy.web.plain_head import PlainHead

MAX_FIELDS = 50
"""Most fields of a query, on addresses that do not take lists of identifiers."""

MAX_LONG_FIELDS = 1100
"""Most fields on addresses that do: a thousand `isbn=`, and some more."""

NEVER_FAILS = "/images/P/"
"""Part of the addresses of Amazon's shape, whose clients must never see a status other than 200."""

_IN_JSON = re.compile(
    r".*/(?:api/(?:books|volumes/)|bookcover(?:/|\Z)|v1/(?:get|products)|(?:books|cover|covers)/?\Z)"
)
_IN_XML = re.compile(r".*/(?:index\.aspx|hw7\.pl)\Z", re.IGNORECASE)
_ALL_XML = re.compile(r".*/(?:contentcafe/contentcafe\.asmx/xmlpost|book/get/)", re.IGNORECASE)
_OPEN_LIBRARYS = re.compile(r".*/[abw]/")
_IN_WORDS = re.compile(r".*/iiif/[23]/")
"""Paths of other services that answer with JSON, XML or text, whose clients would take the placeholder for
none of these.
"""

_LIST_AT_ROOT = re.compile(LIST_AT_ROOT.replace(r"\z", r"\Z"))

_BEGINNING = 200
"""Characters of a path that are looked at: what follows is the identifier."""

_PICTURE = re.compile(
    r"/+devkey/|/+(?:[abw]/|images/P/|books/content|2\.0\.0/|poca/|getImage\.php|index\.aspx|hw7\.pl|contentcafe/"
    r"|cgi-bin/koha/|book/get/"
    r"|[0-9x%-]+(?:\.jpg|/[sml])\Z)",
    re.IGNORECASE,
)
"""Paths whose clients expect a picture, unless in_own_form() knows better."""

_OWN = re.compile(r"(?:/+devkey/+[^/]+)?/+(?:iiif/[23]|bookcover|api/books|api/volumes)(?:[/.]|\Z)")
"""Paths of which all is another service's, where no route is of ours."""

_STRICT = re.compile(r"(?:^|&)(?:default=(?:404|false)|return_error=(?:true|1))(?:&|$)", re.IGNORECASE)

_NUMBERED = re.compile(r"(?:/+devkey/+[^/]+)?/+[abw]/+id/", re.IGNORECASE)
"""Pictures by Open Library's numbers: BookWyrm stores what opens as a picture, even where it is none."""

_LINE = re.compile(rb"([A-Z]{3,10}) ([^ \r\n]+)")

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def excess(target: str) -> str:
    """Return which limit a request's target (path and query, as sent) exceeds; "" if none."""
    path, _, query = target.partition("?")
    if len(path) > (most := MAX_LONG_PATH_BYTES if LONG_PATHS in path[:200] else MAX_PATH_BYTES):
        return f"the path has {len(path)} bytes; expected at most {most}"
    if (slashes := path.count("/")) > MAX_SEGMENTS:
        return f"the path has {slashes} segments; expected at most {MAX_SEGMENTS}"
    return _excess_of_query(path, query) if query else ""


def _excess_of_query(path: str, query: str) -> str:
    fields = query.count("&") + 1
    if fields <= MAX_FIELDS and len(query) <= MAX_QUERY_BYTES:
        return ""
    is_long = path.rstrip("/").rpartition("/")[2] in MANY_AT_ONCE or _LIST_AT_ROOT.match(f"{path}?{query}")
    if fields > (most := MAX_LONG_FIELDS if is_long else MAX_FIELDS):
        return f"the query has {fields} fields; expected at most {most}"
    return "" if is_long else f"the query has {len(query)} bytes; expected at most {MAX_QUERY_BYTES}"


def in_own_form(target: str, why: str, *, is_cut: bool = False) -> tuple[str, bytes] | None:
    """Return the media type and the body of a refusal, where other services' clients expect no picture.

    *is_cut*: the rest of the target was not read. Without it Syndetics' address names no page yet, and is
    refused like the index.
    """
    path, _, query = target.partition("?")
    begun = path[:_BEGINNING]
    if _IN_JSON.match(begun) and not ("/covers" in begun and "format=img" in query):
        return _as_json(why)
    if path.endswith(".json") and _OPEN_LIBRARYS.match(begun):
        return _as_json(why)
    if _ALL_XML.match(begun) or (_IN_XML.match(begun) and (is_cut or "index.xml" in query.lower())):
        return "text/xml; charset=utf-8", as_xml(why)
    if _IN_WORDS.match(begun) or _NUMBERED.match(begun):
        return "text/plain; charset=utf-8", f"{why}\n".encode()
    return None


def in_form_of_others(target: str, why: str) -> tuple[str, bytes] | None:
    """Return the same for a path without a route, if everything beside it is another service's."""
    return in_own_form(target, why) if _OWN.match(target.partition("?")[0]) else None


def as_xml(why: str) -> bytes:
    """Return a refusal as XML, as an element in the root.

    Of text in the root Koha's reader makes a bare text, and its page fails where it looks for one there.
    """
    inside = f"<ERRORS><ERROR>{escape(why)}</ERROR></ERRORS>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{inside}\n'.encode()


def _as_json(why: str) -> tuple[str, bytes]:
    return "application/json", orjson.dumps({"error": why})


def is_encoded(request: web.BaseRequest) -> bool:
    """Return whether the body is compressed: a few bytes could expand to any number."""
    return request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() not in ("identity", "")


class AddressBounds:
    """Refuses requests over the limits, and passes all others to the handler.

    Hits that the fast path knows are answered first: the router alone takes as long as all of it. So are
    covers that it does not find, where nothing is in the way of making them.
    """

    def __init__(self, app: web.Application) -> None:
        self._app = app

    def __call__(self, handle: Handle) -> Handle:
        """Wrap the handler."""
        app = self._app

        async def bounding(request: web.BaseRequest) -> web.StreamResponse:
            found = hot.answer(request) if (hot := app.get(HOT)) else None
            if isinstance(found, web.StreamResponse):
                return found
            if why := excess(request.raw_path):
                return _refused(app, request, TooLong(why))
            if hdrs.CONTENT_ENCODING in request.headers and is_encoded(request):
                return _refused(app, request, UnreadType("a compressed body is not supported"))
            if hot and found and (answer := await hot.made(request, found)):
                return answer
            return await handle(request)

        return bounding

    def at_once(self, head: PlainHead) -> bytes | None:
        """Return the whole answer to a hit that the fast path knows."""
        hot = self._app.get(HOT)
        return hot.at_once(head) if hot else None

    def unread(self, head: bytes) -> web.Response | None:
        """Answer a request whose head cannot be read, in the form of its address: bytes beyond ASCII in it.

        None: no client expects a form of its own there.
        """
        begun = _LINE.match(head)
        if begun is None:
            return None
        method, target = begun[1].decode(), begun[2].decode("latin-1")
        is_too_long = len(head) >= HEAD_BYTES and b"\n" not in head
        path = target.partition("?")[0]
        is_unencoded = not target.isascii() and (_PICTURE.match(path) or in_own_form(target, ""))
        if not (is_too_long or is_unencoded or NEVER_FAILS in target[:200]):
            return None
        error = TooLong(f"the address is longer than {HEAD_BYTES} bytes")
        refused = error if is_too_long else BadQuestion("this is not valid HTTP")
        answer = _answer(self._app, method, target, "", refused, is_cut=is_too_long)
        return _without_body(answer) if method == "HEAD" else answer


def around(app: web.Application) -> AddressBounds:
    """Return what stands before an application's router."""
    return AddressBounds(app)


def _without_body(answer: web.Response) -> web.Response:
    """Return the same head without a body: the method of what cannot be read is unknown to aiohttp."""
    bare = web.Response(status=answer.status, headers=answer.headers)
    bare.headers[hdrs.CONTENT_LENGTH] = str(answer.content_length)
    return bare


def _refused(app: web.Application, request: web.BaseRequest, error: CoverError) -> web.Response:
    return _answer(app, request.method, request.raw_path, accepted(request.headers), error)


def _answer(
    app: web.Application, method: str, target: str, accept: str, error: CoverError, *, is_cut: bool = False
) -> web.Response:
    """Answer like the rest of the application, without its router and middlewares."""
    how, (path, _, query) = meaning(error), target.partition("?")
    is_strict = bool(_STRICT.search(query))
    if NEVER_FAILS in target[:200]:
        how, is_strict = replace(how, is_hard=False), False
    elif is_strict or (isinstance(error, BadQuestion) and _PICTURE.match(path)):
        how = replace(how, is_hard=False)
    app[METRICS].answers.labels(how.label).inc()
    as_json = method not in ("GET", "HEAD") or wants_json(accept)
    answer = answers.refusal(error, how, app[CONFIG].answers, is_strict=is_strict, as_json=as_json)
    if told := in_own_form(target, str(error), is_cut=is_cut):
        kind, body = told
        answer = Answer(how.status, answer.headers | {"Content-Type": kind}, body)
    return answers.send(replace(answer, headers=answer.headers | {"Server": answers.SERVER}))
