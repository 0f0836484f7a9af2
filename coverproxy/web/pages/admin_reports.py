"""The admin page of what readers reported: each beside its picture, with the decisions to take."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused, NoSuchOriginal, NoSuchReport
from coverproxy.domain.report import DECIDED, Report, ReportReason, ReportState
from coverproxy.service.report_json import ReportJson, report_as_json
from coverproxy.service.reports import ReportDesk
from coverproxy.web.api.admin_schemas import AdminReports, OpenReport
from coverproxy.web.app_keys import REPORTS
from coverproxy.web.pages import forms, sure
from coverproxy.web.pages.admin_decide import decision
from coverproxy.web.pages.lookup import asked
from coverproxy.web.pages.page import shown, texts_for
from coverproxy.web.pages.session import admin, form, who
from coverproxy.web.pages.tables import as_csv
from coverproxy.web.paths import name_for_people

routes = web.RouteTableDef()

MOST_OPEN = 30
MOST_CLOSED = 20

ORDERS = ("reporters", "at", "isbn")

_COLUMNS = ("number", "identifier", "reason", "at", "reporters", "text", "digest", "code")


@dataclass(frozen=True, slots=True)
class ReportChoice:
    """Which open reports are shown ("": of any reason), and in which order."""

    reason: str
    sort: str

    @classmethod
    def of(cls, request: web.Request) -> "ReportChoice":
        """Read it from an address; unknown words choose nothing."""
        reason, sort = (request.query.get(name, "") for name in ("reason", "sort"))
        return cls(
            reason if any(reason == each.value for each in ReportReason) else "",
            sort if sort in ORDERS else ORDERS[0],
        )


@routes.get("/admin/reports")
@admin
async def reports(request: web.Request) -> web.StreamResponse:
    """Show the open reports, all or of `?reason=`, in the order of `?sort=`, and the latest closed ones."""
    return await _page(request)


@routes.get("/admin/reports.csv")
@admin
async def reports_csv(request: web.Request) -> web.StreamResponse:
    """Return the same open reports as CSV."""
    found = await asked(request, partial(_chosen, request.app[REPORTS], ReportChoice.of(request)))
    rows: list[dict[str, object]] = [{**report_as_json(each)} for each in found]
    return as_csv("reports", _COLUMNS, ([row[name] for name in _COLUMNS] for row in rows))


@routes.post("/admin/reports")
@admin
async def close(request: web.Request) -> web.StreamResponse:
    """Decide one report, or say that somebody else closed it meanwhile."""
    fields = await form(request)
    number, act = fields.get("number", ""), fields.get("act", "")
    if act not in DECIDED:
        raise KeyRequestRefused(KeyRequestReason.ACTION)
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        raise KeyRequestRefused(KeyRequestReason.FIELD, "number")
    if not sure.is_sure(request, fields):
        text, about = texts_for(request), name_for_people(fields.get("item", ""))
        question = sure.SureQuestion(
            text("reports.sure"), about, text("reports.sure_why"), text(f"reports.{act}"), "/admin/reports"
        )
        told = {"number": number, "act": act, "note": fields.get("note", "")[:500]}
        return sure.ask(request, question, told)
    work = partial(request.app[REPORTS].close, int(number), ReportState(act), decision(request, fields))
    try:
        await asked(request, work)
    except (NoSuchReport, NoSuchOriginal) as exc:
        return await _page(request, fault=str(exc))
    return await _page(request, done=act)


async def _page(request: web.Request, *, done: str = "", fault: str = "") -> web.Response:
    choice = ReportChoice.of(request)
    opened, closed = await asked(request, partial(_look, request.app[REPORTS], choice))
    data: AdminReports = {
        "open": opened, "closed": closed, "done": done, "fault": fault, "reason": choice.reason,
        "sort": choice.sort,
    }  # fmt: skip
    return shown(
        request, "admin_reports.html", data, token=forms.token(request, who(request)),
        reasons=[each.value for each in ReportReason], orders=ORDERS,
    )  # fmt: skip


def _chosen(desk: ReportDesk, choice: ReportChoice) -> list[Report]:
    """Return the open reports of a choice, in its order. Blocks."""
    found = [each for each in desk.open_reports() if choice.reason in ("", each.reason.value)]
    orders: dict[str, Callable[[Report], Any]] = {
        "reporters": lambda each: -len(each.reporters), "at": lambda each: -each.at,
        "isbn": lambda each: each.identifier.listed,
    }  # fmt: skip
    return sorted(found, key=orders[choice.sort])


def _look(desk: ReportDesk, choice: ReportChoice) -> tuple[list[OpenReport], list[ReportJson]]:
    """Return the open reports of a choice, and the latest closed ones. Blocks."""
    opened = [_open(desk, each) for each in _chosen(desk, choice)[:MOST_OPEN]]
    return opened, [report_as_json(each) for each in desk.closed_reports(MOST_CLOSED)]


def _open(desk: ReportDesk, report: Report) -> OpenReport:
    best = desk.shown(report.identifier)
    return {**report_as_json(report), "shown": best.digest.hex() if best else None}
