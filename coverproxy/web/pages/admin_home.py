"""The administrators' first page: what waits for a person, and which requested items have no cover."""

import asyncio
from functools import partial
from typing import Any, get_args

from aiohttp import web

from coverproxy.concurrency.refreshed import Refreshed
from coverproxy.domain.moment import iso
from coverproxy.service.curate import Curator
from coverproxy.service.reports import ReportDesk
from coverproxy.stats.base import Lacking
from coverproxy.web.api.admin_schemas import AdminHome, AdminWanted, WantedOrder
from coverproxy.web.app_keys import ACCOUNTS, COVERS, CURATOR, DESK, REPORTS
from coverproxy.web.pages import forms
from coverproxy.web.pages.lookup import asked
from coverproxy.web.pages.page import shown
from coverproxy.web.pages.session import admin, who
from coverproxy.web.pages.tables import as_csv
from coverproxy.web.pages.usage import lacking_as_json
from coverproxy.web.titles import with_titles

routes = web.RouteTableDef()

MOST_WANTED = 10
"""Items without a cover on the first page; the list of them has as many as an account keeps."""

WANTED_SECONDS = 30.0
"""How long the list of items without a cover is kept: it sums up the requests of all keys."""

_ORDERS: tuple[WantedOrder, ...] = get_args(WantedOrder)


class MostWanted(Refreshed[list[Lacking]]):
    """The items without a cover that all keys asked for."""

    def __init__(self) -> None:
        super().__init__([], WANTED_SECONDS)


WANTED: web.AppKey[MostWanted] = web.AppKey("wanted", MostWanted)


@routes.get("/admin")
@admin
async def start(request: web.Request) -> web.StreamResponse:
    """Show what waits, most urgent first."""
    covers, accounts = request.app[COVERS], request.app[ACCOUNTS]
    look = partial(_counted, request.app[CURATOR], request.app[REPORTS])
    pending, reports = await asked(request, look)
    keys = [key for key in accounts.all() if key.revoked_at is None]
    states = covers.source_states()
    data: AdminHome = {
        "faults": await covers.health(),
        "waits": {
            "keys": sum(key.is_waiting for key in keys),
            "roles": sum(bool(key.asked_role) and not key.is_waiting for key in keys),
            "reports": reports,
            "pending": pending,
            "quarantined": len(await covers.quarantined()),
            "corrupt": len(await covers.corrupt()),
            "sources": sum(state != "closed" for state in states.values()),
        },
        "sources_down": [name for name, state in states.items() if state != "closed"],
        "wanted": [lacking_as_json(each) for each in (await _wanted(request))[:MOST_WANTED]],
    }
    return shown(request, "admin_home.html", data, token=forms.token(request, who(request)))


def _counted(curator: Curator, reports: ReportDesk) -> tuple[int, int]:
    return curator.count_pending(), reports.count_open()


async def _wanted(request: web.Request) -> list[Lacking]:
    """Return the requested items of all keys that still have no cover. Raises Unavailable."""
    return await request.app[WANTED].get(partial(_lacking, request.app))


async def _lacking(app: web.Application) -> list[Lacking]:
    found = await asyncio.to_thread(app[DESK].notes.most_lacking)
    have = await app[COVERS].have([each.isbn for each in found])
    return await with_titles(app[COVERS], [each for each in found if not have.get(each.isbn)])


@routes.get("/admin/wanted")
@admin
async def wanted(request: web.Request) -> web.StreamResponse:
    """List what has no cover: `?find=` is part of an identifier, `?sort=` asked, last or isbn."""
    find, sort = _choice(request)
    data: AdminWanted = {
        "find": find,
        "sort": sort,
        "wanted": [lacking_as_json(each) for each in await _sorted(request)],
    }
    return shown(request, "admin_wanted.html", data, orders=_ORDERS, token=forms.token(request, who(request)))


@routes.get("/admin/wanted.csv")
@admin
async def wanted_csv(request: web.Request) -> web.StreamResponse:
    """Return the same list as CSV."""
    rows = [(each.isbn, each.asked, iso(each.last), each.title) for each in await _sorted(request)]
    return as_csv("without-cover", ("isbn", "asked", "last", "title"), rows)


def _choice(request: web.Request) -> tuple[str, WantedOrder]:
    """Return what the list is searched for, and its order."""
    sort = request.query.get("sort", "")
    order = next((each for each in _ORDERS if each == sort), _ORDERS[0])
    return request.query.get("find", "").strip()[:80], order


async def _sorted(request: web.Request) -> list[Lacking]:
    (find, sort), found = _choice(request), await _wanted(request)
    some = [each for each in found if find.casefold() in f"{each.isbn} {each.title}".casefold()]
    orders: dict[str, Any] = {
        "asked": lambda each: -each.asked, "last": lambda each: -each.last, "isbn": lambda each: each.isbn,
    }  # fmt: skip
    return sorted(some, key=orders[sort])
