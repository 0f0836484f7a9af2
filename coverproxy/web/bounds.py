"""Limits on a request's address and body, checked before the router."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

import orjson
from aiohttp import hdrs, web

from coverproxy.domain.address_bounds import (
    LONG_PATHS,
    MANY_AT_ONCE,
    MAX_LONG_PATH_BYTES,
    MAX_PATH_BYTES,
    MAX_QUERY_BYTES,
    MAX_SEGMENTS,
)
from coverproxy.domain.errors import CoverError, TooLong, UnreadType
from coverproxy.web import answers
from coverproxy.web.accept import accepted, wants_json
from coverproxy.web.app_keys import CONFIG, HOT, METRICS
from coverproxy.web.errors import meaning

MAX_FIELDS = 50
"""Most fields of a query, on addresses that do not take lists of identifiers."""

MAX_LONG_FIELDS = 1100
"""Most fields on addresses that do: a thousand `isbn=`, and some more."""

NEVER_FAILS = "/images/P/"
"""Part of the addresses of Amazon's shape, whose clients must never see a status other than 200."""

_IN_JSON = re.compile(r"[^?]*/(?:api/(?:books|volumes/)|bookcover[/?]|b/[^?]*\.json(?:\?|\Z))")
_IN_WORDS = re.compile(r"[^?]*/iiif/[23]/")
"""Addresses of other services that answer with JSON or text, whose clients would take the placeholder for
neither.
"""

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
    takes_many = path.rstrip("/").rpartition("/")[2] in MANY_AT_ONCE
    fields = query.count("&") + 1
    if fields > (most := MAX_LONG_FIELDS if takes_many else MAX_FIELDS):
        return f"the query has {fields} fields; expected at most {most}"
    if len(query) > MAX_QUERY_BYTES and not takes_many:
        return f"the query has {len(query)} bytes; expected at most {MAX_QUERY_BYTES}"
    return ""


def in_own_form(target: str, why: str) -> tuple[str, bytes] | None:
    """Return the media type and the body of a refusal, where other services' clients expect no picture."""
    if _IN_JSON.match(target):
        return "application/json", orjson.dumps({"error": why})
    if _IN_WORDS.match(target):
        return "text/plain; charset=utf-8", f"{why}\n".encode()
    return None


def is_encoded(request: web.BaseRequest) -> bool:
    """Return whether the body is compressed: a few bytes could expand to any number."""
    return request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() not in ("identity", "")


def around(app: web.Application) -> Callable[[Handle], Handle]:
    """Return a wrapper that refuses requests over the limits, and passes all others to the handler.

    What the fast path knows is answered before: the router alone takes as long as all of it.
    """

    def bounded(handle: Handle) -> Handle:
        async def bounding(request: web.BaseRequest) -> web.StreamResponse:
            if (hot := app.get(HOT)) and (answer := hot.answer(request)):
                return answer
            if why := excess(request.raw_path):
                return _refused(app, request, TooLong(why))
            if hdrs.CONTENT_ENCODING in request.headers and is_encoded(request):
                return _refused(app, request, UnreadType("a compressed body is not supported"))
            return await handle(request)

        return bounding

    return bounded


def _refused(app: web.Application, request: web.BaseRequest, error: CoverError) -> web.StreamResponse:
    """Answer like the rest of the application, without its router and middlewares."""
    how = meaning(error)
    if NEVER_FAILS in request.raw_path[:200]:
        how = replace(how, is_hard=False)
    app[METRICS].answers.labels(how.label).inc()
    as_json = request.method not in ("GET", "HEAD") or wants_json(accepted(request.headers))
    answer = answers.refusal(error, how, app[CONFIG].answers, is_strict=False, as_json=as_json)
    if told := in_own_form(request.raw_path, str(error)):
        kind, body = told
        answer = replace(answer, headers=answer.headers | {"Content-Type": kind}, body=body)
    return answers.send(replace(answer, headers=answer.headers | {"Server": answers.SERVER}))
