"""GET /devkey/{key}/usage: a key's usage, quota, missing covers, and its owner's choices."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta

from aiohttp import web

from coverproxy.accounts.self_service import DAY_SECONDS, choice_of, site_as_typed
from coverproxy.domain.api_key import KEY_ROLES, Key
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.domain.errors import KeyRequestRefused
from coverproxy.domain.moment import iso
from coverproxy.stats.base import ActivityStore, Lacking
from coverproxy.stats.downloads import DOWNLOAD_DAYS, DownloadRow, by_day, by_name
from coverproxy.web.api.page_schemas import ReplacedKey
from coverproxy.web.api.schemas import (
    KeySettings,
    Usage,
    UsageDay,
    UsageDownloads,
    UsageKinds,
    UsageLacking,
)
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, COVERS, DESK, IS_PROGRAM, KEY
from coverproxy.web.client_ip import base_url
from coverproxy.web.errors import meaning
from coverproxy.web.pages import forms, snippets
from coverproxy.web.pages.charts import Bar
from coverproxy.web.pages.home import example, tried
from coverproxy.web.pages.page import is_for_program, person, shown, texts_for
from coverproxy.web.pages.tables import as_csv
from coverproxy.web.titles import with_titles

routes = web.RouteTableDef()

SHOWN_LACKING = 50
"""ISBNs without a cover shown on the page; the CSV has all that are stored."""

KEPT_DAYS = (1, 7, 30)
"""Choices for how many days an old key works beside its replacement."""

_CHOICES = ("gif", "404", "card", "own")


@routes.get("/devkey/{key}/usage")
@person
async def usage(request: web.Request) -> web.StreamResponse:
    """Show it as a page to browsers, and as JSON to programs."""
    return await _page(request, await _known(request))


@routes.post("/devkey/{key}/usage")
@person
async def change(request: web.Request) -> web.StreamResponse:
    """Let the owner, with the word, bind the key, choose what missing covers show, or replace it."""
    fields = await forms.read(request)
    keys = request.app[DESK].keys
    try:
        key = await keys.owned(request.match_info["key"], fields.get("word", ""), forms.address(request))
    except KeyRequestRefused as exc:
        if is_for_program(request, "json"):
            raise
        why = texts_for(request)(f"refused.{exc.reason}")
        return await _page(request, await _known(request), typed=fields, why=why, status=meaning(exc).status)
    if fields.get("action") == "rotate":
        return await _rotate(request, key, fields.get("days", ""))
    sites = tuple(dict.fromkeys(map(site_as_typed, fields.get("sites", "").split())))
    choice = fields.get("no_cover", choice_of(key))
    changed = await keys.settle(_with_role(_with_sizes(key, fields), fields), sites, choice)
    return await _page(request, changed, is_changed=True)


async def _rotate(request: web.Request, key: Key, chosen: str) -> web.StreamResponse:
    """Replace the key, and show the new one; the old one works beside it for the chosen days."""
    days = next((each for each in KEPT_DAYS if str(each) == chosen), KEPT_DAYS[1])
    new = await request.app[DESK].keys.rotate(key, days * DAY_SECONDS)
    value, _ = await example(request)
    data: ReplacedKey = {
        "key": new.name,
        "old_works_days": days,
        "url": f"{base_url(request)}/devkey/{new.name}/{snippets.LIST_SIZE}/isbn/{value}",
        "usage_url": f"{base_url(request)}/devkey/{new.name}/usage",
    }
    return shown(request, "rotated.html", data, by_default="json")


def _with_sizes(key: Key, fields: dict[str, str]) -> Key:
    """Return the key with the sizes that the form chose; without a choice, as it is."""
    which = fields.get("sizes_of", "")
    return replace(key, named_sizes_only=which == "named") if which in ("all", "named") else key


def _with_role(key: Key, fields: dict[str, str]) -> Key:
    """Return the key with the role that its owner asks for; only "browser" needs no approval."""
    role = next((each for each in KEY_ROLES if each == fields.get("role")), key.asked_role or key.role)
    if role == "browser":
        return replace(key, role=role, asked_role="")
    return replace(key, asked_role="" if role == key.role else role)


@routes.get("/devkey/{key}/usage/missing.csv")
@person
async def missing(request: web.Request) -> web.StreamResponse:
    """Return the ISBNs without a cover as CSV, most requested first."""
    key = await _known(request)
    found = await asyncio.to_thread(request.app[DESK].notes.lacking, key.counted_as)
    rows = await with_titles(request.app[COVERS], found)
    return as_csv("isbns-without-cover", ("isbn", "asked", "last", "title"), map(_lacking_row, rows))


def _lacking_row(each: Lacking) -> tuple[object, ...]:
    return each.isbn, each.asked, iso(each.last), each.title


async def _known(request: web.Request) -> Key:
    """Return the key in any state and for any site, since no cover is shown here. Raises UnknownKey."""
    request[IS_PROGRAM] = True
    key = request[KEY] = await request.app[ACCOUNTS].known(request.match_info["key"])
    return key


async def _page(
    request: web.Request,
    key: Key,
    *,
    is_changed: bool = False,
    typed: dict[str, str] | None = None,
    why: str = "",
    status: int = 200,
) -> web.Response:
    """Show the page; *typed* and *why*: a refused form, which keeps its input."""
    data = await _told(request, key)
    return shown(
        request, "usage.html", data, by_default="json", is_shared=True, key=key, chart=_chart(data),
        token=forms.token(request), choices=_choices(request), kept_days=KEPT_DAYS, is_changed=is_changed,
        roles=KEY_ROLES,
        typed=typed or {}, why=why, status=status, example=(await example(request))[0],
    )  # fmt: skip


async def _told(request: web.Request, key: Key) -> Usage:
    """Return the key's quota and use. Raises Unavailable."""
    accounts, notes = request.app[ACCOUNTS], request.app[DESK].notes
    days, allowance = await accounts.usage(key), accounts.allowance(key)
    rows = await _downloads(request, key)
    downloaded, today = by_day(rows), max(days)
    lacking = await asyncio.to_thread(notes.lacking, key.counted_as, SHOWN_LACKING)
    refused = await asyncio.to_thread(notes.refused, key.counted_as)
    start = f"/devkey/{key.name}"
    return {
        **_settings(key, accounts.now()),
        "label": key.label,
        "limit": allowance.limit,
        "made_today": allowance.made,
        "left": allowance.left,
        "resets_at": allowance.resets_at.isoformat().replace("+00:00", "Z"),
        "resets_in": allowance.resets_in,
        "days": [_day(day, made, downloaded.get(day, 0)) for day, made in days.items()],
        "downloaded_today": downloaded.get(today, 0),
        "downloads": _by_name(rows, today),
        "throttled": await asyncio.to_thread(_throttled, notes, key.counted_as, accounts.now()),
        "lacking": [lacking_as_json(each) for each in await with_titles(request.app[COVERS], lacking)],
        "refusals": [{"at": iso(each.at), "reason": each.label, "detail": each.detail} for each in refused],
        "tried": await tried(request, base_url(request) + start, start),
    }


def _settings(key: Key, now: float) -> KeySettings:
    return {
        "state": key.state(now),
        "sites": list(key.sites),
        "no_cover": choice_of(key),
        "role": key.role,
        "asked_role": key.asked_role,
        "named_sizes_only": key.named_sizes_only,
        "expires_at": iso(key.expires_at),
    }


def _day(day: date, made: int, downloaded: int) -> UsageDay:
    return {"day": day.isoformat(), "made": made, "downloaded": downloaded}


async def _downloads(request: web.Request, key: Key) -> list[DownloadRow]:
    """Return the last 30 days' downloads, those of this process up to now. Raises Unavailable."""
    desk, accounts = request.app[DESK], request.app[ACCOUNTS]
    await desk.downloads.written()
    since = accounts.today() - timedelta(days=DOWNLOAD_DAYS - 1)
    return await asyncio.to_thread(desk.notes.downloads, key.counted_as, since)


def _by_name(rows: list[DownloadRow], today: date) -> UsageDownloads:
    """Sum up downloads by size and by shape, today and in all rows."""

    def kinds(some: list[DownloadRow]) -> UsageKinds:
        return {"sizes": by_name(some, "size"), "shapes": by_name(some, "shape")}

    return {"today": kinds([row for row in rows if row.day == today]), "month": kinds(rows)}


def _throttled(notes: ActivityStore, account: str, now: float) -> int:
    """Return how many answers were "throttled" in the last seven days (UTC). Blocks."""
    return notes.refusal_counts(account, int(now) - 6 * DAY_SECONDS).get(CoverStatus.THROTTLED, 0)


def lacking_as_json(each: Lacking) -> UsageLacking:
    """Return an item without a cover."""
    return {"isbn": each.isbn, "title": each.title, "asked": each.asked, "last": iso(each.last)}


def _chart(data: Usage) -> list[Bar]:
    return [Bar(each["day"], max(each["downloaded"], each["made"]), each["made"]) for each in data["days"]]


def _choices(request: web.Request) -> list[str]:
    """Return the choices for missing covers: the operator's picture only if there is one."""
    has_own = bool(request.app[CONFIG].site.placeholder)
    return [choice for choice in _CHOICES if choice != "own" or has_own]
