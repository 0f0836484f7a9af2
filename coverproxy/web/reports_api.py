"""GET /devkey/{key}/reports, POST /devkey/{key}/reports/{number}: administrators' programs decide reports."""

from functools import partial

import orjson
from aiohttp import web

from coverproxy.domain.decisions import Decision
from coverproxy.domain.errors import BadQuestion, WrongSecret
from coverproxy.domain.report import DECIDED, ReportState
from coverproxy.service.report_json import report_as_json
from coverproxy.web import answers, bodies
from coverproxy.web.api.admin_schemas import ReportList
from coverproxy.web.app_keys import ACCOUNTS, REPORTS
from coverproxy.web.originals_api import MAX_ACT_BYTES, bearer, off_loop, person_of
from coverproxy.web.uploader import Person

routes = web.RouteTableDef()

ONE = "/devkey/{key}/reports/{number}"

MAX_DIGITS = 18
"""Most digits of a report's number: every such number fits the stores' 64 bits."""


@routes.get("/devkey/{key}/reports")
async def reports(request: web.Request) -> web.StreamResponse:
    """Return the open reports, those with most reporters first; with `?state=closed` the decided ones."""
    await _admin(request)
    desk = request.app[REPORTS]
    look = desk.closed_reports if request.query.get("state") == "closed" else desk.open_reports
    found = await off_loop(request, look)
    told: ReportList = {"reports": [report_as_json(each) for each in found]}
    return answers.send(answers.json(told))


@routes.post(ONE)
async def close(request: web.Request) -> web.StreamResponse:
    """Decide: `{"state": "fixed", "note": "…"}`; "hidden" hides the reported picture too."""
    person = await _admin(request)
    number = _number(request.match_info["number"])
    state, note = _wish(await bodies.read(request, MAX_ACT_BYTES))
    by = Decision(person.name, int(request.app[ACCOUNTS].now()), note)
    work = partial(request.app[REPORTS].close, number, state, by)
    return answers.send(answers.json(report_as_json(await off_loop(request, work))))


async def _admin(request: web.Request) -> Person:
    person = await person_of(request, bearer(request))
    if not person.is_admin:
        raise WrongSecret("only an administrator sees and decides reports")
    return person


def _number(text: str) -> int:
    """Parse a report's number. Not by the route's pattern: another address would then refuse it."""
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
        raise BadQuestion(
            f"number: {text[:40]!r} is not a report's number; expected digits, at most {MAX_DIGITS}"
        )
    return int(text)


def _wish(body: bytes) -> tuple[ReportState, str]:
    try:
        wish = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise BadQuestion(f"the body is not JSON: {exc}") from exc
    state = wish.get("state") if isinstance(wish, dict) else None
    if state not in DECIDED:
        raise BadQuestion(f"state: expected one of {', '.join(DECIDED)}")
    note = wish.get("note", "")
    if not isinstance(note, str):
        raise BadQuestion("note must be a string")
    return ReportState(state), note[:500]
