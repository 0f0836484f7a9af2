"""The admin page of keys: every key and its use; found, filtered, sorted, and as CSV."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.self_service import choice_of
from coverproxy.domain.api_key import KEY_ROLES, Key
from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused
from coverproxy.domain.item_title import tidy
from coverproxy.domain.moment import iso
from coverproxy.web.api.admin_schemas import AdminKey, AdminKeys, KeyDone
from coverproxy.web.app_keys import ACCOUNTS, CONFIG
from coverproxy.web.pages import forms
from coverproxy.web.pages.page import shown
from coverproxy.web.pages.session import admin, who
from coverproxy.web.pages.tables import as_csv

routes = web.RouteTableDef()

MOST_SHOWN = 100
"""Keys per page; those that wait for approval come first, then the latest."""

MOST_FROM = 100_000_000

STATES = ("waiting", "asks", "active", "revoked", "expired")
"""What keys are filtered by; "asks": for another role."""

ORDERS = ("waiting", "created", "label", "made", "limit")

_COLUMNS = (
    "key", "label", "contact", "site", "state", "role", "asked_role", "daily_limit", "made_today", "sites",
    "no_cover", "created_at", "expires_at", "counted_as",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """Which keys are shown, and in which order."""

    find: str
    state: str
    sort: str

    def query(self, **more: object) -> str:
        """Return it as the query of an address."""
        told = {"find": self.find, "state": self.state, "sort": self.sort} | more
        return urlencode({name: value for name, value in told.items() if value})


@routes.get("/admin/keys")
@admin
async def keys(request: web.Request) -> web.StreamResponse:
    """Show all keys, or those that `?find=` and `?state=` choose, in the order of `?sort=`."""
    return await page(request)


@routes.get("/admin/keys.csv")
@admin
async def keys_csv(request: web.Request) -> web.StreamResponse:
    """Return the same keys as CSV, all of them."""
    found, made = await _found(request, _choice(request))
    rows = [_told(key, request.app[ACCOUNTS], made.get(key.counted_as, 0)) for key in found]
    return as_csv("keys", _COLUMNS, map(_cells, rows))


def _cells(row: AdminKey) -> list[object]:
    """Return a row of the CSV, where sites are parted by spaces."""
    cells: dict[str, object] = {**row, "sites": " ".join(row["sites"])}
    return [cells[name] for name in _COLUMNS]


async def page(request: web.Request, done: KeyDone | None = None) -> web.Response:
    """Show the keys; *done*: what was just done to one."""
    accounts, choice = request.app[ACCOUNTS], _choice(request)
    found, made = await _found(request, choice)
    first = number(request.query.get("from", "0"), MOST_FROM, "from")
    some = found[first : first + MOST_SHOWN]
    data: AdminKeys = {
        "find": choice.find,
        "state": choice.state,
        "sort": choice.sort,
        "from": first,
        "count": len(found),
        "waiting": sum(key.is_waiting and key.revoked_at is None for key in found),
        "keys": [_told(key, accounts, made.get(key.counted_as, 0)) for key in some],
        "done": done,
    }
    has_more = len(found) > first + MOST_SHOWN
    return shown(
        request, "admin_keys.html", data, token=forms.token(request, who(request)), roles=KEY_ROLES,
        following=choice.query(**{"from": first + MOST_SHOWN}) if has_more else None,
        choices=choices(request), states=STATES, orders=ORDERS, query=choice.query(),
    )  # fmt: skip


def choices(request: web.Request) -> list[str]:
    """Return what an administrator may have a key show where there is no cover."""
    return ["gif", "404", "card", *(["own"] if request.app[CONFIG].site.placeholder else [])]


def _choice(request: web.Request) -> KeyChoice:
    """Read the choice. Unknown words, which come from typed addresses, choose nothing."""
    query = request.query
    state, sort = query.get("state", ""), query.get("sort", "")
    return KeyChoice(
        tidy(query.get("find", ""))[:80], state if state in STATES else "",
        sort if sort in ORDERS else ORDERS[0],
    )  # fmt: skip


async def _found(request: web.Request, choice: KeyChoice) -> tuple[list[Key], dict[str, int]]:
    """Return the chosen keys in order, and how many covers each account had made today."""
    accounts = request.app[ACCOUNTS]
    is_meant = _matching(choice, accounts)
    found = [key for key in accounts.all() if is_meant(key)]
    counted = [key.counted_as for key in found]
    made = dict(await accounts.counts.made(counted, accounts.today())) if found else {}
    orders: dict[str, Callable[[Key], Any]] = {
        "waiting": _order, "created": lambda key: -key.created_at, "label": lambda key: key.label.casefold(),
        "made": lambda key: -made.get(key.counted_as, 0), "limit": lambda key: -key.daily_limit,
    }  # fmt: skip
    return sorted(found, key=orders[choice.sort]), made


def number(text: str, most: int, field: str) -> int:
    """Parse a whole number from 0 to *most*. Raises KeyRequestRefused("field", *field*).

    Checks the length first: Python refuses to parse thousands of digits, with another error.
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(most)) or int(text) > most:
        raise KeyRequestRefused(KeyRequestReason.FIELD, field)
    return int(text)


def _matching(choice: KeyChoice, accounts: Accounts) -> Callable[[Key], bool]:
    text = choice.find.casefold()

    def is_meant(key: Key) -> bool:
        if choice.state == "asks":
            if not key.asked_role or key.revoked_at is not None:
                return False
        elif choice.state and key.state(accounts.now()) != choice.state:
            return False
        return any(text in part.casefold() for part in (key.name, key.label, key.contact, key.site))

    return is_meant


def _order(key: Key) -> tuple[bool, int]:
    return not (key.is_waiting and key.revoked_at is None), -key.created_at


def _told(key: Key, accounts: Accounts, made: int) -> AdminKey:
    return {
        "key": key.name,
        "label": key.label,
        "contact": key.contact,
        "site": key.site,
        "state": key.state(accounts.now()),
        "made_today": made,
        "daily_limit": key.daily_limit,
        "sites": list(key.sites),
        "no_cover": choice_of(key),
        "role": key.role,
        "asked_role": key.asked_role,
        "named_sizes_only": key.named_sizes_only,
        "created_at": iso(key.created_at),
        "expires_at": None if key.expires_at is None else iso(key.expires_at),
        "counted_as": key.counted_as,
    }
