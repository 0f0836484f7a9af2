"""The application: its routes, its middlewares in order, and the service behind it."""

import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from coverproxy.cache.disk import DiskCache
from coverproxy.cache.memory import Memory
from coverproxy.config import Config
from coverproxy.service.covers import Covers
from coverproxy.stats.metrics import Metrics
from coverproxy.web import answers, changes_api, middlewares, ops, originals_api, pages, reports_api, sub_path
from coverproxy.web.api import openapi
from coverproxy.web.app_keys import (
    ACCOUNTS,
    CONFIG,
    COVERS,
    DESK,
    HOT,
    METRICS,
    NAMED_SIZES,
    OFFERS,
    SHOWN,
    SIZES,
)
from coverproxy.web.connections import BoundedRunner
from coverproxy.web.early_refusal import EarlyRefusal
from coverproxy.web.fast_path import FastPath
from coverproxy.web.no_cover_image import OWN, OwnPicture
from coverproxy.web.offers import offers
from coverproxy.web.own_address import LooseAddress, OwnAddress
from coverproxy.web.pages import PAGES, Pages, Shown
from coverproxy.web.pages.admin_home import WANTED, MostWanted
from coverproxy.web.pages.batch import ZIPS
from coverproxy.web.pages.docs import DOCS, Docs
from coverproxy.web.pages.session import GUESSING
from coverproxy.web.pages.shelf import SHELF, Shelf
from coverproxy.web.pages.status import KEPT, Kept
from coverproxy.web.preflight import allowed
from coverproxy.web.shapes import info, librarything, table

MAX_REQUEST_BYTES = 65_536
"""Largest body, unless an address sets its own limit (as web/shapes/info.py does)."""


def build(config: Config, metrics: Metrics, shown: tuple[Shown, ...] = ()) -> web.Application:
    """Make the application for covers; the service's keys are set once it is open.

    *shown*: the covers on the home page (for the demo).
    """
    app = web.Application(
        middlewares=[*sub_path.around(config), middlewares.observe, middlewares.explain],
        client_max_size=MAX_REQUEST_BYTES,
    )
    app[CONFIG], app[METRICS], app[SHOWN] = config, metrics, shown
    app[SIZES] = config.size_table
    app[NAMED_SIZES] = config.named_size_table
    app[OFFERS] = offers(config)
    app[PAGES], app[KEPT], app[OWN] = Pages(config), Kept(), OwnPicture(config.site)
    app[GUESSING], app[ZIPS], app[openapi.MADE], app[DOCS] = {}, Counter(), openapi.Made(), Docs()
    app[SHELF], app[WANTED] = Shelf(), MostWanted()
    app.on_response_prepare.append(_sign)
    app.router.register_resource(OwnAddress(config.size_table))  # before the patterns that it spares
    programs = [*originals_api.routes, *reports_api.routes, *changes_api.routes]
    app.add_routes([*info.routes, *programs, *allowed(programs), *openapi.routes, *pages.routes])
    table.add_routes(app.router, config)
    table.add_routes(loosely := web.UrlDispatcher(), config)
    app.router.register_resource(LooseAddress(loosely))
    app.add_routes(librarything.routes)  # catches all other paths
    return app


def use_fast_path(app: web.Application, memory: Memory, cache: DiskCache) -> None:
    """Answer hits from *memory* and *cache* directly, unless nginx sends them or each answer is logged."""
    config = app[CONFIG]
    is_asked_each_time = config.front.x_accel or config.log.access
    app[HOT] = (
        None if is_asked_each_time
        else FastPath(
            memory, app[ACCOUNTS], cache, config, app[METRICS], _noting(app),
            EarlyRefusal(app[COVERS], cache, config), app[COVERS],
        )
    )  # fmt: skip


def _noting(app: web.Application) -> Callable[[str, str, str, int], None]:
    """Return what counts downloads: the pages' services open after the covers."""

    def note(account: str, size: str, shape: str, times: int) -> None:
        app[DESK].downloads.note(account, size, shape, times)

    return note


async def _sign(request: web.Request, response: web.StreamResponse) -> None:
    """Set the Server header, without versions of the libraries below; and for HEAD the length of no body."""
    response.headers["Server"] = answers.SERVER
    is_empty = isinstance(response, web.Response) and not response.body
    if request.method == "HEAD" and is_empty and response.status not in (204, 304):
        response.headers["Content-Length"] = "0"  # as for GET; aiohttp leaves it out


def build_ops(service: Covers, metrics: Metrics) -> web.Application:
    """Make the application for health and metrics."""
    app = web.Application()
    app[COVERS], app[METRICS] = service, metrics
    app.add_routes(ops.routes)
    return app


async def run_ops(service: Covers, metrics: Metrics, listener: socket.socket) -> AsyncIterator[None]:
    """Serve health and metrics on *listener* until the generator ends."""
    runner = BoundedRunner(build_ops(service, metrics), shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    yield
    await runner.cleanup()
