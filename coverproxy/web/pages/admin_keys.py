"""The first admin page: every key and its use; approve, limit, bind, replace, revoke."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.self_service import DAY_SECONDS, approved, choice_of, site_as_typed, tidy
from coverproxy.domain.api_key import KEY_ROLES, Key, KeyRole, abridged, hashed, new_secret
from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, DESK
from coverproxy.web.page_context import PageContext
from coverproxy.web.pages import forms
from coverproxy.web.pages.page import shown
from coverproxy.web.pages.session import admin, form, who
from coverproxy.web.pages.usage import iso, state_of

routes = web.RouteTableDef()

_log = logging.getLogger(__name__)

MOST_SHOWN = 100
"""Keys per page; those that wait for approval come first, then the latest."""

MOST_LIMIT = 1_000_000_000

MOST_FROM = 100_000_000

_ROTATED_KEEP_DAYS = 7


@routes.get("/admin")
@admin
async def keys(request: web.Request) -> web.StreamResponse:
    """Show all keys, or those whose name, label or contact contains `?find=`."""
    return await _page(request)


async def _page(request: web.Request, done: dict[str, Any] | None = None) -> web.Response:
    accounts = request.app[ACCOUNTS]
    wanted = tidy(request.query.get("find", ""))[:80]
    found = sorted(filter(_matching(wanted), accounts.all()), key=_order)
    first = _number(request.query.get("from", "0"), MOST_FROM, "from")
    some = found[first : first + MOST_SHOWN]
    made = await accounts.counts.made([key.counted_as for key in some], accounts.today()) if some else {}
    data = {
        "find": wanted,
        "from": first,
        "count": len(found),
        "waiting": sum(key.is_waiting and key.revoked_at is None for key in found),
        "keys": [_told(key, accounts, made.get(key.counted_as, 0)) for key in some],
        "done": done,
    }
    following = first + MOST_SHOWN if len(found) > first + MOST_SHOWN else None
    token = forms.token(request, who(request))
    has_own = bool(request.app[CONFIG].site.placeholder)
    choices = ["gif", "404", "card", *(["own"] if has_own else [])]
    return shown(
        request, "admin_keys.html", data, token=token, following=following, choices=choices, roles=KEY_ROLES
    )


def _number(text: str, most: int, field: str) -> int:
    """Parse a whole number from 0 to *most*. Raises KeyRequestRefused("field", *field*).

    Checks the length first: Python refuses to parse thousands of digits, with another error.
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(most)) or int(text) > most:
        raise KeyRequestRefused(KeyRequestReason.FIELD, field)
    return int(text)


def _matching(wanted: str) -> Callable[[Key], bool]:
    text = wanted.casefold()
    return lambda key: any(text in part.casefold() for part in (key.name, key.label, key.contact, key.site))


def _order(key: Key) -> tuple[bool, int]:
    return not (key.is_waiting and key.revoked_at is None), -key.created_at


def _told(key: Key, accounts: Accounts, made: int) -> dict[str, Any]:
    return {
        "key": key.name,
        "label": key.label,
        "contact": key.contact,
        "site": key.site,
        "state": state_of(key, accounts),
        "made_today": made,
        "daily_limit": key.daily_limit,
        "sites": list(key.sites),
        "no_cover": choice_of(key),
        "role": key.role,
        "asked_role": key.asked_role,
        "named_sizes_only": key.named_sizes_only,
        "created_at": iso(key.created_at),
        "expires_at": iso(key.expires_at),
        "counted_as": key.counted_as,
    }


@routes.post("/admin")
@admin
async def act(request: web.Request) -> web.StreamResponse:
    """Carry out one action on one key.

    Its name is in the form, not in the address, so that no log contains it.
    """
    fields = await form(request)
    accounts, desk = request.app[ACCOUNTS], request.app[DESK]
    do = ACTS.get(fields.get("action", ""))
    if do is None:
        raise KeyRequestRefused(KeyRequestReason.ACTION)
    key = await accounts.known(fields.get("key", ""))
    more = await do(accounts, desk, key, fields)
    _log.info("a key was administered", extra={"action": fields["action"], "key": abridged(key.name)})
    return await _page(request, {"action": fields["action"], "label": key.label, **more})


Act = Callable[[Accounts, PageContext, Key, dict[str, str]], Awaitable[dict[str, Any]]]


async def _approve(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> dict[str, Any]:
    await accounts.save(approved(key, _role(fields)))
    return {}


async def _refuse(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> dict[str, Any]:
    await desk.keys.refuse(key)
    return {}


async def _revoke(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> dict[str, Any]:
    await accounts.save(replace(key, revoked_at=key.revoked_at or int(accounts.now())))
    return {}


async def _restore(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> dict[str, Any]:
    await accounts.save(replace(key, revoked_at=None))
    return {}


async def _settle(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> dict[str, Any]:
    """Set the limit, the sites, the role, the sizes and the choice for missing covers."""
    limit = _number(fields.get("daily_limit", ""), MOST_LIMIT, "daily_limit")
    sites = tuple(dict.fromkeys(map(site_as_typed, fields.get("sites", "").split())))
    changed = replace(key, daily_limit=limit)
    if role := _role(fields):
        changed = replace(changed, role=role, asked_role="", named_sizes_only="named_sizes_only" in fields)
    await desk.keys.settle(changed, sites, fields.get("no_cover", choice_of(key)))
    return {}


def _role(fields: dict[str, str]) -> KeyRole | None:
    """Return the role that a form names. Raises KeyRequestRefused("field", "role")."""
    if not (text := fields.get("role", "")):
        return None
    if found := next((role for role in KEY_ROLES if role == text), None):
        return found
    raise KeyRequestRefused(KeyRequestReason.FIELD, "role")


async def _rotate(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> dict[str, Any]:
    new = await desk.keys.rotate(key, _ROTATED_KEEP_DAYS * DAY_SECONDS)
    return {"key": new.name, "days": _ROTATED_KEEP_DAYS}


async def _give_word(
    accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]
) -> dict[str, Any]:
    """Create a new owner's secret, replacing a lost or missing one."""
    word = new_secret()
    await accounts.save(replace(key, owner=hashed(word)))
    return {"word": word}


ACTS: dict[str, Act] = {
    "approve": _approve, "refuse": _refuse, "revoke": _revoke, "restore": _restore, "settle": _settle,
    "rotate": _rotate, "word": _give_word,
}  # fmt: skip
