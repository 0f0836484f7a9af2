"""The admin page of what people sent and nobody sees yet: judged together, sorted, and as CSV."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused, NoSuchOriginal
from coverproxy.domain.original import Original
from coverproxy.service.book_json import original_as_json
from coverproxy.web.api.admin_schemas import AdminReview, NamedOriginal
from coverproxy.web.app_keys import CURATOR
from coverproxy.web.pages import forms
from coverproxy.web.pages.admin_decide import book_of, decide_one, decision
from coverproxy.web.pages.lookup import asked
from coverproxy.web.pages.page import shown
from coverproxy.web.pages.session import admin, form, who
from coverproxy.web.pages.tables import as_csv

routes = web.RouteTableDef()

MOST_PENDING = 30
"""Shown at once: a form has some forty fields."""

MOST_SORTED = 1000
"""What is sorted, and in the CSV: those that wait longest."""

_ORDERS: dict[str, Callable[[Original], Any]] = {
    "oldest": lambda each: each.added, "newest": lambda each: -each.added,
    "isbn": lambda each: each.identifier.listed, "who": lambda each: (each.who, each.added),
}  # fmt: skip

ORDERS = tuple(_ORDERS)

_COLUMNS = ("name", "width", "height", "type", "bytes", "who", "added", "origin", "digest")


@routes.get("/admin/review")
@admin
async def review(request: web.Request) -> web.StreamResponse:
    """Show what waits for a review, in the order of `?sort=`."""
    return await _page(request)


@routes.get("/admin/review.csv")
@admin
async def review_csv(request: web.Request) -> web.StreamResponse:
    """Return the same as CSV."""
    rows: list[Mapping[str, object]] = [_told(each) for each in await _sorted(request)]
    return as_csv("review", _COLUMNS, ([row[name] for name in _COLUMNS] for row in rows))


@routes.post("/admin/review")
@admin
async def judge(request: web.Request) -> web.StreamResponse:
    """Approve or hide all that is ticked; one that somebody judged meanwhile is passed over."""
    fields = await form(request)
    act = fields.get("act", "")
    if act not in ("approve", "hide"):
        raise KeyRequestRefused(KeyRequestReason.ACTION)
    picked = [value for name, value in fields.items() if name.startswith("pick-")]
    by = decision(request, fields)
    done = 0
    for each in picked:
        digest, _, name = each.partition(" ")
        wish = {"act": act, "digest": digest}
        try:
            await asked(request, partial(decide_one, request.app[CURATOR], book_of({"isbn": name}), wish, by))
            done += 1
        except NoSuchOriginal:
            continue
    return await _page(request, done)


async def _page(request: web.Request, done: int | None = None) -> web.Response:
    found = await _sorted(request)
    data: AdminReview = {
        "pending": [_told(each) for each in found[:MOST_PENDING]], "sort": _sort(request), "done": done,
    }  # fmt: skip
    token = forms.token(request, who(request))
    return shown(request, "admin_review.html", data, token=token, orders=ORDERS)


def _sort(request: web.Request) -> str:
    sort = request.query.get("sort", "")
    return sort if sort in _ORDERS else ORDERS[0]


async def _sorted(request: web.Request) -> list[Original]:
    """Return what waits. Raises Unavailable."""
    found = await asked(request, partial(request.app[CURATOR].pending, MOST_SORTED))
    return sorted(found, key=_ORDERS[_sort(request)])


def _told(each: Original) -> NamedOriginal:
    return {"name": each.identifier.listed, **original_as_json(each, is_shown=False)}
