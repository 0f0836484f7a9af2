"""The key page: a key in one step, shown once."""

from typing import Any

from aiohttp import web

from coverproxy.accounts.self_service import KeyRequest, KeyWish
from coverproxy.domain.errors import KeyRequestRefused
from coverproxy.web.app_keys import CONFIG, DESK
from coverproxy.web.client_ip import base_url
from coverproxy.web.pages import forms, snippets
from coverproxy.web.pages.page import PAGES, REFUSED, person, shown

routes = web.RouteTableDef()


@routes.get("/keys")
@person
async def ask(request: web.Request) -> web.StreamResponse:
    """Show what a key is, and the form for one where keys are given."""
    return shown(request, "getting.html", _told(request), **_form(request, {}))


@routes.post("/keys")
@person
async def give(request: web.Request) -> web.StreamResponse:
    """Give a key; or the form again, with what is wrong and all that was typed."""
    fields = await forms.read(request)
    wish = KeyWish(
        fields.get("label", ""), fields.get("contact", ""), fields.get("site", ""), "is_bound" in fields
    )
    try:
        given = await request.app[DESK].keys.give(wish, forms.address(request))
    except KeyRequestRefused as exc:
        name = f"{exc.reason}.{exc.field}" if exc.field else exc.reason
        text = f"refused_field.{exc.field}" if exc.field else f"refused.{exc.reason}"
        data = _told(request) | {"refused": name, "why": request.app[PAGES].texts(text)}
        again = _form(request, fields)
        return shown(request, "getting.html", data, status=REFUSED[exc.reason], **again)
    return shown(request, "given.html", _given(request, given), status=201)


def _told(request: web.Request) -> dict[str, Any]:
    config = request.app[CONFIG]
    return {
        "mode": config.signup.mode,
        "keys_per_contact": config.signup.keys_per_contact,
        "daily_limit": config.quota.daily_limit,
        "contact": config.site.contact,
        "refused": None,
        "why": None,
    }


def _form(request: web.Request, fields: dict[str, str]) -> dict[str, Any]:
    """What was typed, at no more length than the fields take."""
    typed = {name: fields.get(name, "")[:300] for name in ("label", "contact", "site")}
    is_open = request.app[CONFIG].signup.mode != "closed"
    return {
        "typed": typed | {"is_bound": "is_bound" in fields},
        "token": forms.token(request) if is_open else "",
    }


def _given(request: web.Request, given: KeyRequest) -> dict[str, Any]:
    base = f"{base_url(request)}/devkey/{given.key.name}"
    return {
        "key": given.key.name,
        "word": given.word,
        "is_waiting": given.key.is_waiting,
        "daily_limit": given.key.daily_limit,
        "sites": list(given.key.sites),
        "url": f"{base}/{snippets.LIST_SIZE}/isbn/{snippets.EXAMPLE}",
        "usage_url": f"{base}/usage",
        "catalogues": snippets.of_catalogues(base_url(request), given.key.name, snippets.LIST_SIZE),
    }
