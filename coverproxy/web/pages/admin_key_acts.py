"""What administrators do to keys: create, approve, limit, bind, replace, revoke."""

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.self_service import DAY_SECONDS, KeyWish, approved, choice_of, site_as_typed
from coverproxy.domain.api_key import KEY_ROLES, Key, KeyRole, abridged, hashed, new_secret
from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused
from coverproxy.web.api.admin_schemas import KeyDone, KeyGains, NewKeyPage
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, DESK
from coverproxy.web.errors import meaning
from coverproxy.web.page_context import PageContext
from coverproxy.web.pages import admin_keys, forms, getting, sure
from coverproxy.web.pages.admin_keys import number
from coverproxy.web.pages.page import is_for_program, shown, texts_for
from coverproxy.web.pages.session import admin, form, who

routes = web.RouteTableDef()

_log = logging.getLogger(__name__)

MOST_LIMIT = 1_000_000_000

_ROTATED_KEEP_DAYS = 7

NOT_UNDONE = frozenset({"rotate", "word", "refuse"})
"""What cannot be taken back: a person is asked once more; programs know what they send."""

_GIVEN_AT = "/admin/new-key/given"


@routes.get("/admin/new-key")
@admin
async def new(request: web.Request) -> web.StreamResponse:
    """Show the form for a new key."""
    return _form(request, {})


@routes.post("/admin/new-key")
@admin
async def create(request: web.Request) -> web.StreamResponse:
    """Create a key that works at once; or show the form again, with what is wrong and all that was typed."""
    fields = await form(request)
    wish = KeyWish(
        fields.get("label", ""), fields.get("contact", ""), fields.get("site", ""), "is_bound" in fields,
        fields.get("role", "browser"),
    )  # fmt: skip
    try:
        limit = number(fields.get("daily_limit", ""), MOST_LIMIT, "daily_limit")
        seeds = getting.seeds(request, fields.get("once", ""))
        made = await request.app[DESK].keys.create(wish, limit, seeds)
    except KeyRequestRefused as exc:
        if is_for_program(request):
            raise
        return _form(request, fields, texts_for(request)(f"refused_field.{exc.field}"), exc)
    if is_for_program(request):
        return shown(request, "given.html", await getting.told(request, made.key, made.word), status=201)
    return getting.led_on(request, made, _GIVEN_AT)


@routes.get(_GIVEN_AT)
@admin
async def given(request: web.Request) -> web.StreamResponse:
    """Show the key just created in this browser, also after a reload; later redirect to the form."""
    return await getting.given_again(request, "/admin/new-key")


def _form(
    request: web.Request, fields: dict[str, str], why: str = "", exc: KeyRequestRefused | None = None
) -> web.Response:
    usual = {"daily_limit": str(request.app[CONFIG].quota.daily_limit), "role": "browser"}
    typed = {"label": "", "contact": "", "site": "", **usual, **fields, "is_bound": "is_bound" in fields}
    data: NewKeyPage = {"refused": exc.field if exc else None, "why": why or None}
    return shown(
        request, "admin_new_key.html", data, status=meaning(exc).status if exc else 200, typed=typed,
        roles=KEY_ROLES, token=forms.token(request, who(request)), once=secrets.token_urlsafe(12),
    )  # fmt: skip


@routes.post("/admin/keys")
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
    if fields["action"] in NOT_UNDONE and not sure.is_sure(request, fields):
        text, action = texts_for(request), fields["action"]
        why = text(f"admin.sure_{action}_why", days=_ROTATED_KEEP_DAYS)
        question = sure.SureQuestion(
            text(f"admin.sure_{action}"), key.label, why, text(f"admin.{action}"), "/admin/keys"
        )
        return sure.ask(request, question, {"action": action, "key": key.name})
    more = await do(accounts, desk, key, fields)
    _log.info("a key was administered", extra={"action": fields["action"], "key": abridged(key.name)})
    done: KeyDone = {"action": fields["action"], "label": key.label, **more}
    return await admin_keys.page(request, done)


Act = Callable[[Accounts, PageContext, Key, dict[str, str]], Awaitable[KeyGains]]


async def _approve(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> KeyGains:
    await accounts.save(approved(key, _role(fields)))
    return {}


async def _refuse(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> KeyGains:
    await desk.keys.refuse(key)
    return {}


async def _revoke(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> KeyGains:
    await accounts.save(replace(key, revoked_at=key.revoked_at or int(accounts.now())))
    return {}


async def _restore(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> KeyGains:
    await accounts.save(replace(key, revoked_at=None))
    return {}


async def _settle(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> KeyGains:
    """Set the limit, the sites, the role, the sizes and the choice for missing covers."""
    limit = number(fields.get("daily_limit", ""), MOST_LIMIT, "daily_limit")
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


async def _rotate(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> KeyGains:
    new = await desk.keys.rotate(key, _ROTATED_KEEP_DAYS * DAY_SECONDS)
    return {"key": new.name, "days": _ROTATED_KEEP_DAYS}


async def _give_word(accounts: Accounts, desk: PageContext, key: Key, fields: dict[str, str]) -> KeyGains:
    """Create a new owner's secret, replacing a lost or missing one."""
    word = new_secret()
    await accounts.save(replace(key, owner=hashed(word)))
    return {"word": word}


ACTS: dict[str, Act] = {
    "approve": _approve, "refuse": _refuse, "revoke": _revoke, "restore": _restore, "settle": _settle,
    "rotate": _rotate, "word": _give_word,
}  # fmt: skip
