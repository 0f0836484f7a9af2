"""The admin page of what readers reported: each beside its picture, with the decisions to take."""

from functools import partial
from typing import Any

from aiohttp import web

from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused, NoSuchOriginal, NoSuchReport
from coverproxy.domain.report import DECIDED, ReportState
from coverproxy.service.report_json import report_as_json
from coverproxy.service.reports import ReportDesk
from coverproxy.web.app_keys import REPORTS
from coverproxy.web.pages import forms
from coverproxy.web.pages.admin_decide import decision
from coverproxy.web.pages.lookup import asked
from coverproxy.web.pages.page import shown
from coverproxy.web.pages.session import admin, form, who

routes = web.RouteTableDef()

MOST_OPEN = 30
MOST_CLOSED = 20


@routes.get("/admin/reports")
@admin
async def reports(request: web.Request) -> web.StreamResponse:
    """Show the open reports, those with most reporters first, and the latest that were closed."""
    return await _page(request)


@routes.post("/admin/reports")
@admin
async def close(request: web.Request) -> web.StreamResponse:
    """Decide one report; one that somebody closed meanwhile is told."""
    fields = await form(request)
    number, act = fields.get("number", ""), fields.get("act", "")
    if act not in DECIDED:
        raise KeyRequestRefused(KeyRequestReason.ACTION)
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        raise KeyRequestRefused(KeyRequestReason.FIELD, "number")
    work = partial(request.app[REPORTS].close, int(number), ReportState(act), decision(request, fields))
    try:
        await asked(request, work)
    except (NoSuchReport, NoSuchOriginal) as exc:
        return await _page(request, fault=str(exc))
    return await _page(request, done=act)


async def _page(request: web.Request, *, done: str = "", fault: str = "") -> web.Response:
    data = await asked(request, partial(_data, request.app[REPORTS]))
    token = forms.token(request, who(request))
    return shown(request, "admin_reports.html", data | {"done": done, "fault": fault}, token=token)


def _data(desk: ReportDesk) -> dict[str, Any]:
    """Return what the page shows. Blocks."""
    data: dict[str, Any] = {"open": [], "closed": []}
    for report in desk.open_reports(MOST_OPEN):
        best = desk.shown(report.identifier)
        now = best.digest.hex() if best else None
        data["open"].append(report_as_json(report, is_private=True) | {"shown": now})
    data["closed"] = [report_as_json(each, is_private=True) for each in desk.closed_reports(MOST_CLOSED)]
    return data
