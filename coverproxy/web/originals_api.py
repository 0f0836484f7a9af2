"""PUT /devkey/{key}/original/isbn/{isbn}…: programs upload covers, and manage a book's originals."""

import hmac
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import orjson
from aiohttp import BodyPartReader, web

from coverproxy.domain import schemes
from coverproxy.domain.decisions import Decision
from coverproxy.domain.errors import BadQuestion, UnreadType, WrongSecret
from coverproxy.domain.original import LATEST_DATE, Terms
from coverproxy.domain.spec import Identifier
from coverproxy.service.book_json import book_as_json, deed_as_json, waiting_as_json
from coverproxy.service.contribute import SOURCE, Contribution
from coverproxy.service.curate import Curator
from coverproxy.web import answers, bodies
from coverproxy.web.api.admin_schemas import BookOriginals, PendingList
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, CURATOR, DESK, IS_PROGRAM, KEY, LOOKUPS, UPLOADS
from coverproxy.web.pages import forms
from coverproxy.web.uploader import (
    ADMIN,
    CHUNK,
    MAX_FIELD_BYTES,
    MAX_FIELDS,
    Person,
    chunks,
    owner,
    read,
    text,
)

T = TypeVar("T")

routes = web.RouteTableDef()

ONE = r"/devkey/{key}/original/{scheme}/{value:[\s\S]+}"
ALL = r"/devkey/{key}/originals/{scheme}/{value:[\s\S]+}"

MAX_ACT_BYTES = 4096
MOST_PENDING = 500

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})


@routes.put(ONE)
async def put(request: web.Request) -> web.StreamResponse:
    """Take the body as a picture of the book; its details are in the query."""
    person = await person_of(request, bearer(request))
    book = _book(request)
    fields = {name: value[:MAX_FIELD_BYTES] for name, value in request.query.items()}
    said = _said(fields, person, None)
    return await _keep(request, request.content.iter_chunked(CHUNK), book, person, said)


@routes.post(ONE)
async def post(request: web.Request) -> web.StreamResponse:
    """Take a form's file, multipart/form-data; fields with details come before the file.

    Or JSON, `{"url": "…"}`, with the same details: the picture at an address of a host that is listed.
    """
    request[IS_PROGRAM] = True
    if request.content_type == "application/json":
        return await _of_url(request)
    if request.content_type != "multipart/form-data":
        raise UnreadType("expected multipart/form-data with a field `file`; or send the picture with PUT")
    return await _of_form(request)


async def _of_url(request: web.Request) -> web.StreamResponse:
    person = await person_of(request, bearer(request))
    try:
        fields = orjson.loads(await bodies.read(request, MAX_ACT_BYTES))
    except orjson.JSONDecodeError as exc:
        raise BadQuestion(f"the body is not JSON: {exc}") from exc
    if not isinstance(fields, dict) or not all(isinstance(each, str) for each in fields.values()):
        raise BadQuestion('expected {"url": "https://…"} and texts')
    if not (url := fields.get("url", "")):
        raise BadQuestion("url: expected the address of the picture")
    said = _said(fields | {"from": url}, person, None)
    return await _keep(request, request.app[UPLOADS].at(url), _book(request), person, said)


async def _of_form(request: web.Request) -> web.StreamResponse:
    reader = await read(request.multipart())
    fields: dict[str, str] = {}
    while (part := await read(reader.next())) is not None:
        if not isinstance(part, BodyPartReader) or len(fields) >= MAX_FIELDS:
            raise BadQuestion(f"expected at most {MAX_FIELDS} fields, none of them multipart itself")
        if part.name == "file":
            person = await person_of(request, fields.get("word") or bearer(request))
            book, said = _book(request), _said(fields, person, part.filename)
            return await _keep(request, chunks(part), book, person, said)
        fields[part.name or ""] = await text(part)
    raise BadQuestion("the form has no field `file`")


@routes.get(ALL)
async def get(request: web.Request) -> web.StreamResponse:
    """Return the book's originals, the decisions about them, and its history."""
    await person_of(request, bearer(request))
    book = _book(request)
    return answers.send(answers.json(await _told(request, book)))


@routes.post(ALL)
async def act(request: web.Request) -> web.StreamResponse:
    """Decide: `{"act": "pin", "digest": "…", "note": "…"}`; returns the book's new state."""
    person = await person_of(request, bearer(request))
    book = _book(request)
    if not person.is_trusted:
        raise WrongSecret("only an administrator, or a key that is trusted, may decide about originals")
    wish = _wish(await bodies.read(request, MAX_ACT_BYTES))
    decision = Decision(person.name, int(request.app[ACCOUNTS].now()), wish["note"])
    await off_loop(request, partial(_decide, request, book, wish, decision))
    return answers.send(answers.json(await _told(request, book)))


@routes.get("/devkey/{key}/originals")
async def pending(request: web.Request) -> web.StreamResponse:
    """Return the originals that wait for a review, oldest first; for administrators."""
    person = await person_of(request, bearer(request))
    if not person.is_admin:
        raise WrongSecret("only an administrator sees what waits for a review")
    found = await off_loop(request, partial(request.app[CURATOR].pending, MOST_PENDING))
    told: PendingList = {"pending": [waiting_as_json(each) for each in found]}
    return answers.send(answers.json(told))


def _book(request: web.Request) -> Identifier:
    """Return the book of the request's path. Raises NotAnIdentifier, BadQuestion, UnknownScheme."""
    request[IS_PROGRAM] = True
    reading = schemes.parse(request.match_info["scheme"], request.match_info["value"].rstrip("/"))
    if reading.sure is None:
        can_mean = ", ".join(each.listed for each in reading.identifiers)
        raise BadQuestion(f"this can mean any of {can_mean}; name one of them")
    return reading.sure


def bearer(request: web.Request) -> str:
    """Return the request's bearer token; cookies do not count, since another site's page could use them."""
    scheme, _, word = request.headers.get("Authorization", "").partition(" ")
    return word.strip() if scheme.lower() == "bearer" else ""


async def person_of(request: web.Request, word: str) -> Person:
    """Authenticate the request. Raises UnknownKey, WrongSecret; wrong words are rate limited per address."""
    request[IS_PROGRAM] = True
    accounts, config = request.app[ACCOUNTS], request.app[CONFIG]
    key = request[KEY] = await accounts.known(request.match_info["key"])
    if _is_admin(word, config.admin.token):
        return ADMIN
    if not (word and key.is_owned_with(word) and key.is_active(accounts.now())):
        if word and await request.app[DESK].keys.wait("owner", forms.address(request)):
            raise WrongSecret("too many wrong words from this address; try again in an hour")
        raise WrongSecret("expected Authorization: Bearer with the owner's secret of this key")
    return owner(key, config.upload)


def _is_admin(word: str, token: str) -> bool:
    return bool(token) and hmac.compare_digest(
        word.encode(errors="surrogateescape"), token.encode(errors="surrogateescape")
    )


def _said(fields: dict[str, str], person: Person, filename: str | None) -> Contribution:
    """Parse the details of a picture. Raises BadQuestion naming the field."""
    until = fields.get("until", "")
    terms = Terms(
        licence=fields.get("licence", "")[:500] or None,
        until=_seconds(until) if until else None,
        no_crop=_is_yes(fields, "no_crop", "0"),
    )
    origin = (fields.get("from") or filename or "")[:500] or None
    return Contribution(
        person.name, fields.get("source", "")[:100] or SOURCE, origin, terms, fields.get("note", "")[:500],
        is_trusted=person.is_trusted,
        is_choice=_is_yes(fields, "pin", "1"),
    )  # fmt: skip


def _is_yes(fields: dict[str, str], name: str, usual: str) -> bool:
    word = (fields.get(name) or usual).lower()
    if word not in _YES | _NO:
        raise BadQuestion(f"{name}: {word[:40]!r} is not yes or no; expected 1 or 0")
    return word in _YES


def _seconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        seconds = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError):
        seconds = -1
    if not 0 <= seconds < LATEST_DATE:
        raise BadQuestion(f"until: {text[:40]!r} is not a date; expected one like 2027-01-31")
    if seconds <= time.time():
        raise BadQuestion(f"until: {text[:40]!r} is over; the picture could not be shown")
    return seconds


async def _keep(
    request: web.Request, chunks: AsyncIterator[bytes], book: Identifier, person: Person, said: Contribution
) -> web.StreamResponse:
    """Receive the file, ingest it, and answer with the result."""
    uploads, key = request.app[UPLOADS], request[KEY]
    once = request.headers.get("Idempotency-Key", "")[:200]
    account = "admin" if person.is_admin else key.counted_as
    length = request.content_length if request.method == "PUT" else None
    status, told = await uploads.take(chunks, length, book, said, account, once)
    return answers.send(answers.json(told, status))


def _wish(body: bytes) -> dict[str, Any]:
    try:
        wish = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise BadQuestion(f"the body is not JSON: {exc}") from exc
    if not isinstance(wish, dict) or not isinstance(wish.get("act"), str):
        raise BadQuestion('expected {"act": "pin", "digest": "…", "note": "…"}')
    if not isinstance(wish.get("digest", ""), str) or not isinstance(wish.get("note", ""), str):
        raise BadQuestion("digest and note must be strings")
    return {"digest": wish.get("digest", ""), "note": wish.get("note", "")[:500]} | {
        "act": wish["act"], "number": wish.get("number"),
    }  # fmt: skip


_WITH_DIGEST: dict[str, Callable[[Curator, Identifier, bytes, Decision], object]] = {
    "pin": Curator.pin, "approve": Curator.approve,
}  # fmt: skip
_ANY: dict[str, Callable[[Curator, Identifier, bytes | None, Decision], object]] = {
    "hide": Curator.hide, "restore": Curator.restore, "remove": Curator.remove,
    "unpin": lambda curator, book, _, by: curator.unpin(book, by),
}  # fmt: skip


def _decide(request: web.Request, book: Identifier, wish: dict[str, Any], by: Decision) -> None:
    """Carry out the decision. Raises BadQuestion, NoSuchOriginal."""
    curator, act, number = request.app[CURATOR], wish["act"], wish["number"]
    digest = curator.digest(book, wish["digest"]) if wish["digest"] else None
    if act in _ANY:
        _ANY[act](curator, book, digest, by)
    elif act in _WITH_DIGEST:
        if digest is None:
            raise BadQuestion(f"{act} needs a digest")
        _WITH_DIGEST[act](curator, book, digest, by)
    elif act == "undo":
        if not isinstance(number, int) or not 0 < number < 2**62:
            raise BadQuestion("undo needs the number of a history entry")
        curator.undo(number, by, of=book)
    else:
        acts = ", ".join(sorted([*_ANY, *_WITH_DIGEST, "undo"]))
        raise BadQuestion(f"{act[:40]!r} is not an act; expected one of {acts}")


async def _told(request: web.Request, book: Identifier) -> BookOriginals:
    curator = request.app[CURATOR]

    def look() -> BookOriginals:
        deeds = [deed_as_json(each) for each in curator.history(book)]
        return {**book_as_json(curator.book(book)), "history": deeds}

    return await off_loop(request, look)


async def off_loop(request: web.Request, work: Callable[[], T]) -> T:
    return await request.app[LOOKUPS].run(work)
