"""The table of all shapes, and how they are added to the application."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from aiohttp import web

from coverproxy.config import Config
from coverproxy.domain import errors
from coverproxy.web import answers
from coverproxy.web.api.address import Address, Parameter
from coverproxy.web.api.schemas import Problem, RefusalAnswer
from coverproxy.web.shapes import (
    amazon,
    bokinfo,
    bookcover,
    booksite,
    buchhandel,
    chilifresh,
    coce,
    contentcafe,
    finna,
    gbv,
    google_books,
    iiif,
    koha,
    openbd,
    openlibrary,
    openlibrary_books,
    orb,
    summon,
    syndetics,
)
from coverproxy.web.shapes.base import JSON, Route, Shape, answering

SHAPES: tuple[Shape, ...] = (
    openlibrary.SHAPE, openlibrary_books.SHAPE, amazon.SHAPE, google_books.SHAPE, coce.SHAPE,
    syndetics.SHAPE, contentcafe.SHAPE, chilifresh.SHAPE, booksite.SHAPE, buchhandel.SHAPE, summon.SHAPE,
    gbv.SHAPE, bookcover.SHAPE, openbd.SHAPE, finna.SHAPE, orb.SHAPE, koha.SHAPE, bokinfo.SHAPE, iiif.SHAPE,
)  # fmt: skip

_PREFIX = "/devkey/{key}"


def _befores(route: Route) -> tuple[str, ...]:
    return (_PREFIX, "") if route.has_root else (_PREFIX,)


def switched_on(config: Config) -> Iterator[tuple[Shape, Route]]:
    """Yield every route of the enabled shapes."""
    for shape in SHAPES:
        if shape.name not in config.shapes.off:
            for route in shape.routes:
                yield shape, route


def add_routes(router: web.UrlDispatcher, config: Config) -> None:
    """Add every shape's addresses twice: with our prefix, which contains the key, and without."""
    for shape, route in switched_on(config):
        handler = answering(shape, route)
        for before in _befores(route):
            pattern = before + (route.pattern or route.path)
            if route.method == "get":
                router.add_get(pattern, handler)
            else:
                router.add_route(route.method.upper(), pattern, handler)
                router.add_options(pattern, _allowed(shape, route))
                if "get" not in {each.method for each in shape.routes if each.path == route.path}:
                    router.add_get(pattern, not_allowed)  # else it would be a cover's path, and 404


async def not_allowed(request: web.Request) -> web.StreamResponse:
    """Refuse GET where only POST is accepted."""
    raise web.HTTPMethodNotAllowed(request.method, ["OPTIONS", "POST"])


def _allowed(shape: Shape, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Answer OPTIONS where more than the usual methods are accepted (CORS)."""
    methods = {each.method.upper() for each in shape.routes if each.path == route.path}
    allow = ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))
    named = {"Allow": allow, "Access-Control-Allow-Methods": allow, "X-Cover-Status": "options"}

    async def answer(request: web.Request) -> web.StreamResponse:
        return answers.send(answers.Answer(204, answers.COMMON | answers.PREFLIGHT | named, b""))

    return answer


_REFUSES = (
    errors.UnknownKey, errors.KeyNotForSite, errors.NoCover, errors.NotAnIsbn, errors.QuotaUsedUp,
    errors.TooFast, errors.Busy, errors.Pending, errors.Unavailable, errors.MalformedPath,
    errors.BadQuestion, errors.TooMany, errors.TooLong, errors.TooLarge, errors.TooSlow,
    errors.UnreadType,
)  # fmt: skip


_REFUSES_AS: dict[str, Any] = {
    JSON: RefusalAnswer,
    "application/problem+json": Problem, "text/plain": {"type": "string"}, "text/xml": {},
    "image/gif": {},
}  # fmt: skip

_KEYLESS = "Without a key, only if the config names a key for this host."


def _body(route: Route, kind: str) -> Any:
    """Return the type of a 200's body of a media type; of all but JSON there is none to describe."""
    return route.json if kind in (JSON, "application/ld+json") and route.json is not None else {}


def described(config: Config, key: Parameter) -> Iterator[Address]:
    """Describe every shape's addresses."""
    for _, route in switched_on(config):
        for before in _befores(route):
            yield Address(
                f"{before}{route.path}", route.summary, {kind: _body(route, kind) for kind in route.gives},
                method=route.method,
                tells="" if before else _KEYLESS,
                parameters=((key, *route.parameters) if before else route.parameters),
                refuses=_REFUSES,
                takes=dict(route.takes) if route.takes else None,
                route=before + (route.pattern or route.path),
                is_image=route.is_image,
                refuses_as=_REFUSES_AS,
                is_page=not route.gives,  # it leads elsewhere
            )  # fmt: skip
