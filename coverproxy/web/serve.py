"""The one way from a request to a cover, for every shape: same cache, same quota, same answers."""

from collections.abc import Sequence

from aiohttp import web

from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import NoCover
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Spec, Wanted
from coverproxy.web import answers
from coverproxy.web.accept import accepted, choices
from coverproxy.web.app_keys import CONFIG, COVERS, HOT, SIZES, SPEC
from coverproxy.web.paths import path_of
from coverproxy.web.visitor import visitor


async def serve(
    request: web.Request, key: Key, wanted: Wanted, *, own: bool = False, called: str = ""
) -> web.Response:
    """Answer with the requested cover, in the format that the path or `Accept` asks for.

    *own*: the request's path is our own address of this cover; any other names it in `Content-Location`.
    *called*: the size's name there. Raises what Covers.cover() raises.
    """
    covers, config = request.app[COVERS], request.app[CONFIG]
    forms = forms_for(request, wanted)
    request[SPEC] = Spec(wanted.identifiers[0], wanted.size, forms[-1])
    found = await covers.cover(wanted, forms, visitor(request, key))
    request[SPEC] = found.spec
    location = "" if own else address(key, wanted, called or wanted.size)
    has_key = own or bool(request.match_info.get("key"))
    if found.held and not found.is_interim and has_key and (hot := request.app[HOT]):
        hot.learn(request, key, found.held, location)
    label = "made" if found.is_made else "hit"
    answer = answers.picture(
        found.derivative, label, config.answers, request,
        x_accel=config.front.x_accel, is_interim=found.is_interim,
    )  # fmt: skip
    if location:
        answer.headers["Content-Location"] = location
    return answers.send(answer)


def forms_for(request: web.Request, wanted: Wanted) -> tuple[Format, ...]:
    """Return the formats that a request may be answered with, best first: see accept.choices()."""
    if wanted.forced:
        return (wanted.forced,)
    formats, size = request.app[CONFIG].formats, request.app[SIZES].sizes[wanted.size]
    return choices(accepted(request.headers), formats.enabled, size.offered(formats))


async def serve_first(request: web.Request, key: Key, choices: Sequence[Wanted]) -> web.Response:
    """Answer with the first of several books that has a cover. Raises NoCover if none has."""
    for wanted in choices:
        try:
            return await serve(request, key, wanted)
        except NoCover:
            continue
    raise NoCover("none of the identifiers has a cover")


def address(key: Key, wanted: Wanted, size: str) -> str:
    """Return our own address of the cover, without the host."""
    named = wanted.identifiers[0]
    ending = f".{wanted.forced.value}" if wanted.forced else ""
    return f"/devkey/{key.name}/{size}/{path_of(named)}{ending}"
