"""The one way from a request to a cover, for every shape: same cache, same quota, same answers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.domain.editions import EditionLink, Relation
from coverproxy.domain.errors import NoCover, Pending
from coverproxy.domain.formats import Format
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.spec import Reading, Spec, Wanted
from coverproxy.service.covers import Covers
from coverproxy.service.held_covers import Found
from coverproxy.web import answers, fallback
from coverproxy.web.accept import accepted, choices
from coverproxy.web.app_keys import CONFIG, COVERS, DESK, HOT, OFFERS, SPEC
from coverproxy.web.own_misses import RAISED
from coverproxy.web.paths import path_of
from coverproxy.web.shapes.base import PREFIX, SHAPE, find, is_off, shape_name
from coverproxy.web.titles import named
from coverproxy.web.visitor import patience, visitor

LEAST_SECONDS = 0.05


async def serve(
    request: web.Request, key: Key, wanted: Wanted,
    *, own: bool = False, called: str = "", by_edition: bool = True, link: str = "",
    until: float | None = None,
) -> web.Response:  # fmt: skip
    """Answer with the requested cover, in the format that the path or `Accept` asks for.

    *own*: the request's path is our own address of this cover; any other names it in `Content-Location`.
    *called*: the size's name there. *by_edition*: another edition may stand in, if that is asked for.
    *link*: the header of that name. *until*: the event loop's time when the client stops waiting.
    Raises what Covers.cover() raises.
    """
    covers, forms = request.app[COVERS], _forms_sought(request, wanted)
    far = fallback.farthest(request, key, own=own) if by_edition else None
    client = visitor(request, key)
    if until is not None:
        client = replace(client, waits=left(until))
    try:
        if raised := request.get(RAISED):
            raise raised
        found = await covers.cover(wanted, forms, client)
    except NoCover:
        nearest = await _nearest(covers, wanted, far) if far else None
        if nearest is None:
            raise
        return await _of_edition(request, key, nearest, wanted, called or wanted.size)
    request[SPEC] = found.spec
    asked = wanted.identifiers
    shown = asked[0] if len(asked) == 1 else found.spec.identifier  # of several, the one with the cover
    location = "" if own else _place(request, key, wanted, shown, called or wanted.size)
    extra = {name: text for name, text in (("Content-Location", location), ("Link", link)) if text}
    has_key = own or bool(request.match_info.get("key"))
    is_plain = has_key and not link  # which names a host, and known paths are the same for all hosts
    if found.held and not found.is_interim and is_plain and (hot := request.app[HOT]):
        hot.learn(request, key, found.held, (found.spec.size, shape_name(request)), location)
    return _sent(request, found, extra)


def _sent(request: web.Request, found: Found, extra: Mapping[str, str]) -> web.Response:
    """Answer with what was found. *extra*: the headers that this address adds."""
    config = request.app[CONFIG]
    label = "made" if found.is_made else "hit"
    answer = answers.picture(
        found.derivative, label, config.answers, request, x_accel=config.front.x_accel,
        is_interim=found.is_interim, never_fails=_never_fails(request),
    )  # fmt: skip
    answer.headers.update(extra)
    return answers.send(answer)


def _never_fails(request: web.Request) -> bool:
    shape = request.get(SHAPE)
    return shape is not None and shape.never_fails


async def _nearest(covers: Covers, wanted: Wanted, far: Relation) -> EditionLink | None:
    """Find the edition that stands in; an identifier that can mean several items has none."""
    sure = wanted.reading.sure
    return await covers.edition(sure, far) if sure else None


async def _of_edition(
    request: web.Request, key: Key, link: EditionLink, wanted: Wanted, size: str
) -> web.Response:
    """Answer with another edition's cover. The item goes on being noted as one without a cover.

    Not by X-Accel-Redirect: nginx would leave out the headers that say what it is. Raises as serve() does.
    """
    lacking = request[SPEC].identifier.listed
    request.app[DESK].ledger.note_lacking(key.counted_as, lacking, named(request.query))
    other = replace(wanted, reading=Reading((link.other,)))
    found = await request.app[COVERS].cover(other, forms_for(request, wanted), visitor(request, key))
    answer = answers.picture(
        found.derivative, CoverStatus.EDITION, request.app[CONFIG].answers, request,
        is_interim=found.is_interim, never_fails=_never_fails(request),
    )  # fmt: skip
    kept = answer.headers["Cache-Control"]
    answer.headers.update(fallback.headers(link, _place(request, key, other, link.other, size)))
    if found.is_interim:  # a better format of it is being made: it is kept as shortly as any interim one
        answer.headers["Cache-Control"] = kept
    return answers.send(answer)


def _place(request: web.Request, key: Key, wanted: Wanted, shown: Identifier, size: str) -> str:
    """Return our own address of a cover for Content-Location; "" where a host's key pays: it is not told."""
    if request.get(PREFIX) == "":
        return ""
    ending = f".{wanted.forced.value}" if wanted.forced else ""
    return f"{request.app[CONFIG].front.public_path}/devkey/{key.name}/{size}/{path_of(shown)}{ending}"


def _forms_sought(request: web.Request, wanted: Wanted) -> tuple[Format, ...]:
    """Note what is sought, and return its formats. Raises NoCover where nothing is to be found by it."""
    if is_off(request, wanted):
        raise NoCover("nothing is found by such an identifier here")
    forms = forms_for(request, wanted)
    request[SPEC] = Spec(wanted.identifiers[0], wanted.size, forms[-1])
    return forms


def forms_for(request: web.Request, wanted: Wanted) -> tuple[Format, ...]:
    """Return the formats that a request may be answered with, best first: see accept.choices()."""
    if wanted.forced:
        return (wanted.forced,)
    offer = request.app[OFFERS][wanted.size]
    return choices(accepted(request.headers), offer.formats, offer.better)


def formats_of(request: web.Request, size: str) -> frozenset[Format]:
    """Return the formats that a size is available in."""
    return request.app[OFFERS][size].formats


async def serve_first(request: web.Request, key: Key, choices: Sequence[Wanted]) -> web.Response:
    """Answer with the first of several books that has a cover, in the time that the client waits for one.

    If the first has none, the sources are asked for all others at once: one after the other, a record's ten
    numbers would take ten times as long. Raises NoCover if none has a cover, and what serve() raises.
    """
    until = asyncio.get_running_loop().time() + patience(request, key)
    first, *others = choices
    try:
        return await serve(request, key, first, by_edition=False, until=until)
    except NoCover:
        sought = await find(request, {str(at): each for at, each in enumerate(others)}, left(until))
    found = [each for at, each in enumerate(others) if str(at) in sought.found]
    tries = [(wanted, False) for wanted in found]
    if key.fallback and sought.is_settled:  # a book's own cover, by whichever name, before another edition's
        tries += [(wanted, True) for wanted in choices]
    for wanted, by_edition in tries:
        try:
            return await serve(request, key, wanted, by_edition=by_edition, until=until)
        except NoCover:
            continue
    if not sought.is_settled:
        raise Pending("the sources are being asked")
    raise NoCover("none of the identifiers has a cover")


def left(until: float) -> float:
    """Return the seconds until that time of the event loop, and a moment at least: what is here is found."""
    return max(until - asyncio.get_running_loop().time(), LEAST_SECONDS)
