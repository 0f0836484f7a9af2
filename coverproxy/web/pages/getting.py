"""The key page: a key in one step, shown once."""

import secrets
from typing import Any

from aiohttp import web
from itsdangerous import BadSignature, URLSafeTimedSerializer

from coverproxy.accounts.self_service import KeyRequest, KeyWish
from coverproxy.domain.api_key import KEY_ROLES, Key
from coverproxy.domain.errors import KeyRequestRefused, UnknownKey
from coverproxy.web.api.page_schemas import GivenKey, KeysPage
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, DESK
from coverproxy.web.client_ip import base_url
from coverproxy.web.errors import meaning
from coverproxy.web.pages import forms, snippets
from coverproxy.web.pages.home import example
from coverproxy.web.pages.page import is_for_program, person, shown, texts_for

routes = web.RouteTableDef()

_COOKIE, _SHOWN_AT = "coverproxy_given", "/keys/given"
_SHOWN_SECONDS = 600
"""How long reloading the page still shows a new key."""


@routes.get("/keys")
@person
async def ask(request: web.Request) -> web.StreamResponse:
    """Show the page about keys, with the form if keys are issued."""
    return shown(request, "getting.html", _about(request), **_form(request, {}))


@routes.post("/keys")
@person
async def give(request: web.Request) -> web.StreamResponse:
    """Issue a key; or show the form again, with what is wrong and everything that was typed."""
    fields = await forms.read(request)
    wish = KeyWish(
        fields.get("label", ""),
        fields.get("contact", ""),
        fields.get("site", ""),
        "is_bound" in fields,
        fields.get("role", "browser"),
    )
    try:
        once = seeds(request, fields.get("once", ""))
        given = await request.app[DESK].keys.give(wish, forms.address(request), once)
    except KeyRequestRefused as exc:
        name = f"{exc.reason}.{exc.field}" if exc.field else exc.reason
        text = f"refused_field.{exc.field}" if exc.field else f"refused.{exc.reason}"
        data = _about(request, name, texts_for(request)(text))
        again = _form(request, fields)
        return shown(request, "getting.html", data, status=meaning(exc).status, **again)
    if is_for_program(request):
        return shown(request, "given.html", await told(request, given.key, given.word), status=201)
    return led_on(request, given, _SHOWN_AT)


@routes.get("/keys/given")
@person
async def given_key(request: web.Request) -> web.StreamResponse:
    """Show the key just issued to this browser, also after a reload; later redirect to the form."""
    return await given_again(request, "/keys")


async def given_again(request: web.Request, form: str) -> web.Response:
    """Show the key of the cookie; without one, redirect to the *form*."""
    try:
        name, word = _signer(request).loads(forms.cookie(request, _COOKIE), max_age=_SHOWN_SECONDS)
        key = await request.app[ACCOUNTS].known(name)
    except (BadSignature, UnknownKey):
        return web.Response(status=303, headers={"Location": form, "Cache-Control": "no-store"})
    return shown(request, "given.html", await told(request, key, word))


def led_on(request: web.Request, given: KeyRequest, where: str) -> web.Response:
    """Redirect to the page that shows the key, so that a reload sends no form (post, redirect, get).

    Key and word are in a signed cookie that only that page receives, since there is no session to store them
    in.
    """
    response = web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})
    value = _signer(request).dumps([given.key.name, given.word])
    forms.set_safe_cookie(request, response, _COOKIE, value, path=where)
    return response


def _signer(request: web.Request) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(request.app[DESK].secret, salt="given key")


def seeds(request: web.Request, once: str) -> tuple[bytes, bytes] | None:
    """Return the seeds of a form's key: the same for the same form in the same browser."""
    if not once:
        return None
    nonce = request.cookies.get(forms.FORM, "")
    key, word = (forms.keyed(request, f"given {what} {nonce} {once[:100]}") for what in ("key", "word"))
    return bytes.fromhex(key), bytes.fromhex(word)


def _about(request: web.Request, refused: str | None = None, why: str | None = None) -> KeysPage:
    config = request.app[CONFIG]
    return {
        "mode": config.signup.mode,
        "keys_per_contact": config.signup.keys_per_contact,
        "daily_limit": config.quota.daily_limit,
        "contact": config.site.contact,
        "refused": refused,
        "why": why,
    }


def _form(request: web.Request, fields: dict[str, str]) -> dict[str, Any]:
    """Return what was typed, cut to the length of the fields."""
    typed = {name: fields.get(name, "")[:300] for name in ("label", "contact", "site")}
    is_open = request.app[CONFIG].signup.mode != "closed"
    return {
        "typed": typed | {"is_bound": "is_bound" in fields, "role": fields.get("role", "browser")},
        "roles": KEY_ROLES,
        "token": forms.token(request) if is_open else "",
        "once": secrets.token_urlsafe(12),
    }


async def told(request: web.Request, key: Key, word: str) -> GivenKey:
    """Return all that a new key's owner needs, once."""
    base = f"{base_url(request)}/devkey/{key.name}"
    isbn, has_cover = await example(request)
    return {
        "key": key.name,
        "word": word,
        "is_waiting": key.is_waiting,
        "asked_role": key.asked_role,
        "daily_limit": key.daily_limit,
        "sites": list(key.sites),
        "url": f"{base}/{snippets.LIST_SIZE}/isbn/{isbn}" + ("" if has_cover else "?default=card"),
        "usage_url": f"{base}/usage",
        "catalogues": snippets.of_catalogues(base_url(request), key.name, snippets.LIST_SIZE),
    }
