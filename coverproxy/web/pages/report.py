"""The report page: anybody can report a wrong cover, and later see the outcome."""

import re
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from coverproxy.domain.errors import (
    BadQuestion,
    KeyRequestReason,
    KeyRequestRefused,
    MalformedPath,
)
from coverproxy.domain.report import Report, ReportReason
from coverproxy.domain.spec import Identifier
from coverproxy.service.report_json import public_report
from coverproxy.web import bodies
from coverproxy.web.api.page_schemas import ReportPage, ReportStatePage
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, REPORTS
from coverproxy.web.pages import forms
from coverproxy.web.pages.lookup import asked
from coverproxy.web.pages.page import is_for_program, person, shown
from coverproxy.web.paths import item_of, path_of, versioned

routes = web.RouteTableDef()

MOST_TEXT = 1000
MOST_MAIL = 254
MAX_BODY_BYTES = 8192

_ITEM = r"/{scheme}/{value:[^/]+}"
_MAIL = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")


@routes.get("/report" + _ITEM)
@person
async def ask(request: web.Request) -> web.StreamResponse:
    """Show the cover and the form."""
    book = _book(request)
    original = await asked(request, partial(request.app[REPORTS].shown, book))
    data: ReportPage = {
        "item": book.listed,
        "has_cover": original is not None,
        "reasons": [*ReportReason],
    }
    cover = f"/try/medium/{path_of(book)}"
    more: dict[str, Any] = {"cover": versioned(cover, original) if original else cover, "most": MOST_TEXT}
    status = 200 if original else 404
    return shown(request, "report.html", data, status=status, token=forms.token(request), **more)


@routes.post("/report" + _ITEM)
@person
async def send(request: web.Request) -> web.StreamResponse:
    """Enter the report, and lead on to its state; programs send and get JSON."""
    book, fields = _book(request), await _fields(request)
    try:
        reason = ReportReason(fields.get("reason", ""))
    except ValueError as exc:
        raise KeyRequestRefused(KeyRequestReason.FIELD, "reason") from exc
    mail, text = fields.get("mail", "").strip(), fields.get("text", "").strip()[:MOST_TEXT]
    if mail and (len(mail) > MOST_MAIL or not _MAIL.fullmatch(mail)):
        raise KeyRequestRefused(KeyRequestReason.FIELD, "mail")
    await _pace(request)
    file = partial(request.app[REPORTS].file, book, reason, forms.address(request), mail, text)
    report = await asked(request, file)
    place = f"/report/{report.code}"
    if is_for_program(request):
        return shown(request, "report_state.html", _told(report), status=201)
    return web.Response(status=303, headers={"Location": place, "Cache-Control": "no-store"})


@routes.get("/report/{code}")
@person
async def state(request: web.Request) -> web.StreamResponse:
    """Show a report's outcome to those who know its number."""
    _enabled(request)
    find = partial(request.app[REPORTS].by_code, request.match_info["code"])
    return shown(request, "report_state.html", _told(await asked(request, find)))


def _told(report: Report) -> ReportStatePage:
    return {**public_report(report), "url": f"/report/{report.code}"}


async def _fields(request: web.Request) -> dict[str, str]:
    """Return the fields of our form, or of a JSON body, which no other site's form can send."""
    if request.content_type != "application/json":
        return await forms.read(request)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise KeyRequestRefused(KeyRequestReason.FORM)
    body = await bodies.read(request, MAX_BODY_BYTES)
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise BadQuestion(f"the body is not JSON: {exc}") from exc
    if not isinstance(fields, dict) or not all(isinstance(each, str) for each in fields.values()):
        raise BadQuestion('expected {"reason": "wrong", "mail": "…", "text": "…"}')
    return fields


async def _pace(request: web.Request) -> None:
    """Limit reports per address. Raises KeyRequestRefused."""
    accounts, most = request.app[ACCOUNTS], request.app[CONFIG].reports.per_hour
    address = forms.address(request)
    if await accounts.rates.take("report", address, accounts.now(), most / 3600, most):
        raise KeyRequestRefused(KeyRequestReason.ADDRESS)


def _enabled(request: web.Request) -> None:
    if not request.app[CONFIG].reports.enabled:
        raise MalformedPath("this service takes no reports")


def _book(request: web.Request) -> Identifier:
    """Return the item that the address names. Raises MalformedPath."""
    _enabled(request)
    return item_of(request, MalformedPath)
