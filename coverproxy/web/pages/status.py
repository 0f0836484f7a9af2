"""The status page: the service's contents, health, and history of the last day and month."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from aiohttp import web

from coverproxy.concurrency.refreshed import Refreshed
from coverproxy.domain.errors import Unavailable
from coverproxy.domain.moment import iso
from coverproxy.service.covers import SourceReport
from coverproxy.stats.downloads import DOWNLOAD_DAYS, by_day
from coverproxy.stats.history import DAY, TEN_MINUTES, Summary, incidents
from coverproxy.web import answers
from coverproxy.web.api.page_schemas import (
    Status,
    StatusContents,
    StatusIncident,
    StatusNotices,
    StatusSource,
    StatusStep,
)
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, COVERS, DESK
from coverproxy.web.page_context import PageContext
from coverproxy.web.pages.charts import Bar
from coverproxy.web.pages.page import person, shown, texts_for

routes = web.RouteTableDef()

KEPT_SECONDS = 5.0
"""How long the result is cached: the page is public, and sums up a month."""

NO_FIGURES: StatusContents = {
    "covers": None, "isbns": None, "sources": [], "made_today": None, "downloaded_today": None,
    "downloads": [], "incidents": [], "day": None, "day_steps": [], "month_steps": [],
}  # fmt: skip
"""What is shown while the figures cannot be read."""

NOTHING_YET: Status = {
    **NO_FIGURES, "state": "ready", "faults": {}, "counts_front": False, "notices": None,
}  # fmt: skip


@dataclass
class StatusFigures:
    """A result and its time; its charts, by language, and its pages, once they are made."""

    data: Status
    at: int = 0
    charts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)


class Kept(Refreshed[StatusFigures]):
    """The last result."""

    def __init__(self) -> None:
        super().__init__(StatusFigures(NOTHING_YET), KEPT_SECONDS)


KEPT: web.AppKey[Kept] = web.AppKey("status", Kept)


@routes.get("/status")
@person
async def status(request: web.Request) -> web.StreamResponse:
    """Show the page."""
    kept = await _found(request)
    language = texts_for(request).language
    if language not in kept.charts:
        kept.charts[language] = _charts(request, kept.data)
    return shown(
        request,
        "status.html",
        kept.data,
        is_shared=True,
        kept=kept.pages,
        charts=kept.charts[language],
        now=iso(kept.at),
    )


@routes.get("/status.json")
@person
async def as_json(request: web.Request) -> web.StreamResponse:
    """Return it as JSON for all clients; other sites may read it too."""
    return answers.send(answers.json((await _found(request)).data))


async def _found(request: web.Request) -> StatusFigures:
    return await request.app[KEPT].get(partial(_find, request))


async def _find(request: web.Request) -> StatusFigures:
    faults = await request.app[COVERS].health()
    try:
        figures = await _figures(request)
    except Unavailable as exc:
        faults = faults | {"figures": str(exc)}
        figures = NO_FIGURES
    told: Status = {
        **figures,
        "state": "faulty" if faults else "ready",
        "faults": faults,
        "counts_front": bool(request.app[CONFIG].front.downloads_log),
        "notices": await _notices(request),
    }
    return StatusFigures(told, int(time.time()))


async def _notices(request: web.Request) -> StatusNotices | None:
    """Return how many notices wait, and how many of them failed. Why is in the log: the page is public."""
    try:
        waiting, failed, _ = await asyncio.to_thread(request.app[DESK].notices.waiting)
    except Unavailable:
        return None
    return {"waiting": waiting, "failed": failed}


async def _figures(request: web.Request) -> StatusContents:
    """Collect all figures. Raises Unavailable."""
    covers, accounts = request.app[COVERS], request.app[ACCOUNTS]
    originals, isbns = await covers.totals()
    today = accounts.today()
    month = [today - timedelta(days=back) for back in range(DOWNLOAD_DAYS - 1, -1, -1)]
    days = by_day(await asyncio.to_thread(request.app[DESK].notes.downloads, None, month[0]))
    day, day_steps, month_steps = await asyncio.to_thread(_history, request.app[DESK])
    return {
        "covers": originals,
        "isbns": isbns,
        "sources": [source_as_json(each) for each in await covers.sources()],
        "made_today": await accounts.counts.made_by_all(today),
        "downloaded_today": days.get(today, 0),
        "downloads": [{"day": day.isoformat(), "count": days.get(day, 0)} for day in month],
        "incidents": _incidents(day_steps, month_steps),
        "day": told(day),
        "day_steps": [told(step) for step in day_steps],
        "month_steps": [told(step) for step in month_steps],
    }


def _history(desk: PageContext) -> tuple[Summary, list[Summary], list[Summary]]:
    """Return the last day's sum, its steps, and the month's steps. Blocks. Raises Unavailable."""
    return desk.history.last_day(), desk.history.day(), desk.history.month()


def source_as_json(source: SourceReport) -> StatusSource:
    """Return a source as JSON."""
    return {"name": source.name, "originals": source.originals, "state": source.state}


def told(summary: Summary) -> StatusStep:
    """Return a summary as JSON; the hit rate covers the app only, not what nginx serves."""
    return {
        "at": iso(summary.at), "answers": summary.answers, "hits": summary.hits, "made": summary.made,
        "missing": summary.missing, "refused": summary.refused, "failed": summary.failed,
        "p50_ms": _rounded(summary.p50_ms, 2), "p99_ms": _rounded(summary.p99_ms, 2),
        "hit_rate": _rounded(summary.hit_rate, 4),
    }  # fmt: skip


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)


def _incidents(day_steps: Sequence[Summary], month_steps: Sequence[Summary]) -> list[StatusIncident]:
    """Return what failed, latest first: the last day to ten minutes, the days before by the day."""
    before = [each for each in month_steps if day_steps and each.at + DAY <= day_steps[0].at]
    found = [*incidents(before, DAY), *incidents(day_steps, TEN_MINUTES)]
    return [
        {"begins": iso(each.begins), "ends": iso(each.ends), "failed": each.failed, "answers": each.answers}
        for each in reversed(found)
    ]


def _charts(request: web.Request, data: Status) -> list[dict[str, Any]]:
    """Return the page's charts: covers served (new ones in the second colour), and times, by day and month.

    One without bars is not drawn: the page says in words that there is nothing yet.
    """
    texts = texts_for(request)
    downloads = [Bar(each["day"], each["count"]) for each in data["downloads"]]
    drawn: list[dict[str, Any]] = [
        _chart("downloads", texts("status.downloads_month"), texts("chart.per_day"), downloads)
    ]
    for span, steps, shown_part in (
        ("day", data["day_steps"], slice(11, 16)),
        ("month", data["month_steps"], slice(0, 10)),
    ):
        names = [step["at"][shown_part] for step in steps]
        pairs = list(zip(names, steps, strict=True))
        covers = [Bar(name, step["hits"] + step["made"], step["made"]) for name, step in pairs]
        times = [Bar(name, step["p99_ms"] or 0, step["p50_ms"] or 0) for name, step in pairs]
        per = texts("chart.per_ten_minutes" if span == "day" else "chart.per_day")
        drawn += [
            _chart(f"{span}-covers", texts(f"status.covers_{span}"), per, covers),
            _chart(f"{span}-time", texts(f"status.time_{span}"), texts("chart.ms"), times, "\u202fms"),
        ]
    return drawn


def _chart(name: str, title: str, unit: str, bars: list[Bar], ending: str = "") -> dict[str, Any]:
    shown = bars if any(bar.value for bar in bars) else []
    return {"id": name, "title": title, "unit": unit, "bars": shown, "ending": ending}
