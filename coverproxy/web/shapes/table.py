"""The shapes of other services: all of them, and their way into the application."""

from collections.abc import Iterator

from aiohttp import web

from coverproxy.config import Config
from coverproxy.domain import errors
from coverproxy.web.api.address import Address, Parameter
from coverproxy.web.shapes import amazon, coce, google_books, openlibrary, openlibrary_books
from coverproxy.web.shapes.base import Route, Shape, answering

SHAPES: tuple[Shape, ...] = (
    openlibrary.SHAPE, openlibrary_books.SHAPE, amazon.SHAPE, google_books.SHAPE, coce.SHAPE,
)  # fmt: skip

_PREFIX = "/devkey/{key}"


def switched_on(config: Config) -> Iterator[tuple[Shape, Route]]:
    """Yield every route of the shapes that are on."""
    for shape in SHAPES:
        if shape.name not in config.shapes.off:
            for route in shape.routes:
                yield shape, route


def add_routes(app: web.Application, config: Config) -> None:
    """Add every shape's addresses twice: with our prefix, which holds the key, and as they are."""
    for shape, route in switched_on(config):
        handler = answering(shape, route)
        for before in (_PREFIX, ""):
            pattern = before + (route.pattern or route.path)
            if route.method == "get":
                app.router.add_get(pattern, handler)
            else:
                app.router.add_route(route.method.upper(), pattern, handler)


_REFUSES = (
    errors.UnknownKey, errors.KeyNotForSite, errors.NoCover, errors.NotAnIsbn, errors.QuotaExceeded,
    errors.TooFast, errors.Busy, errors.Pending, errors.Unavailable, errors.MalformedPath,
)  # fmt: skip


_KEYLESS = "Without a key only where the config names one that pays for this host."


def described(config: Config, key: Parameter) -> Iterator[Address]:
    """Describe every shape's addresses."""
    for _, route in switched_on(config):
        for before in (_PREFIX, ""):
            yield Address(
                f"{before}{route.path}", route.summary, {kind: {} for kind in route.gives},
                method=route.method,
                tells="" if before else _KEYLESS,
                parameters=((key, *route.parameters) if before else route.parameters),
                refuses=_REFUSES,
                takes={kind: {"type": "string"} for kind in route.takes} or None,
                route=before + (route.pattern or route.path),
                is_image=route.is_image,
                is_page=True,
            )  # fmt: skip
