"""Who may look after the service: by a password, by a program's token, or let in by the front server."""

import functools
import hashlib
import hmac
import ipaddress
import secrets
import time
from urllib.parse import urlsplit

from aiohttp import web

from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused, MalformedPath
from coverproxy.web.app_keys import CONFIG, DESK
from coverproxy.web.client_ip import believes
from coverproxy.web.errors import KEY_REQUESTS
from coverproxy.web.pages import forms
from coverproxy.web.pages.page import PAGES, Handler, person, shown

routes = web.RouteTableDef()

SESSION = "coverproxy_admin"
"""The cookie of somebody who logged in."""

_PATH = "/admin"
"""Where that cookie is sent: no cover's request carries it."""

GUESSING: web.AppKey[dict[str, float]] = web.AppKey("guessing", dict)
"""Addresses (signed) that tried too many wrong tokens, and until when they are held back (monotonic)."""

_MOST_GUESSING = 10_000
_MOST_HELD_SECONDS = 3600.0

_WHO: web.RequestKey[str] = web.RequestKey("who", str)


def admin(handler: Handler) -> Handler:
    """Let only administrators through: others get the way in as a 401; where there is none, a 404."""

    @functools.wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        if not request.app[CONFIG].admin.is_on:
            raise MalformedPath("there are no admin pages here: no way in is set")
        if await _is_guessing(request):
            return _way_in(request, KEY_REQUESTS[KeyRequestReason.ADDRESS], "address")
        who = _who(request)
        if who is None or await _has_ended(request, who):
            return _way_in(request)
        request[_WHO] = who
        return await handler(request)

    return person(guarded)


def who(request: web.Request) -> str:
    """Return which administrator asks, for the tokens of forms; only within admin()."""
    return request[_WHO]


async def form(request: web.Request) -> dict[str, str]:
    """Return the fields of an administrator's form. Raises KeyRequestRefused("form") for a forged one.

    A program that brings the token itself needs no form of ours: no browser adds that header by itself.
    """
    return await (forms.fields_of(request) if _is_program(request) else forms.read(request, who(request)))


def _who(request: web.Request) -> str | None:
    config = request.app[CONFIG]
    if _is_program(request):
        return "program"
    named = request.headers.get(config.admin.header, "") if config.admin.header else ""
    if named and believes(request, config.front) and _is_own_host(request):
        return f"front {named}"
    session = request.cookies.get(SESSION, "")
    return session if _is_session(request, session) else None


def _is_own_host(request: web.Request) -> bool:
    """Say whether the request names this site as its host.

    A page elsewhere that lets its own name resolve to this machine (DNS rebinding) makes a browser here send
    requests from the loopback, but with that name. Without front.public_url only what is no name is believed.
    """
    public = urlsplit(request.app[CONFIG].front.public_url)
    try:
        asked = urlsplit(f"//{request.host}")
        if public.hostname:
            return asked.hostname == public.hostname
        return asked.hostname == "localhost" or bool(ipaddress.ip_address(asked.hostname or ""))
    except ValueError:
        return False


async def _is_guessing(request: web.Request) -> bool:
    """Say whether this address tried too many wrong tokens: then a right one is refused as well.

    They are counted with the form's tries, so that the two ways in have one limit. The store is asked only
    once a token was wrong; who is known to guess is held back from memory.
    """
    if not _bearer(request):
        return False
    desk, guessing, now = request.app[DESK], request.app[GUESSING], time.monotonic()
    address = forms.address(request)
    if guessing.get(address, 0.0) > now:
        return True
    if _is_program(request):
        return False
    wait = await desk.keys.wait("login", address)
    if wait > 0:
        guessing[address] = now + min(wait, _MOST_HELD_SECONDS)
        while len(guessing) > _MOST_GUESSING:
            del guessing[next(iter(guessing))]
    return wait > 0


def _bearer(request: web.Request) -> str:
    """Return the token of `Authorization: Bearer …`; the empty text: there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_program(request: web.Request) -> bool:
    return bool(token := _bearer(request)) and _is_token(request, token)


def _is_token(request: web.Request, text: str) -> bool:
    """Compare as digests: in the same time, however much of it is right, and however long it is."""
    token = request.app[CONFIG].admin.token
    given, wanted = (hashlib.sha256(each.encode(errors="surrogateescape")).digest() for each in (text, token))
    return bool(token) and hmac.compare_digest(given, wanted)


def _session(request: web.Request, ends: str, nonce: str) -> str:
    """Sign a session; another token in the config ends it."""
    token = hashlib.sha256(request.app[CONFIG].admin.token.encode()).hexdigest()
    return f"{ends}.{nonce}.{forms.signed(request, f'session {ends} {nonce} {token}')}"


def _is_session(request: web.Request, text: str) -> bool:
    ends, nonce = _parts(text)
    if not request.app[CONFIG].admin.token or not (ends.isascii() and ends.isdecimal()) or len(ends) > 12:
        return False
    expected = _session(request, ends, nonce)
    is_ours = hmac.compare_digest(text.encode(errors="surrogateescape"), expected.encode())
    return is_ours and int(ends) > request.app[DESK].history.now()


async def _has_ended(request: web.Request, who: str) -> bool:
    """Say whether *who* is a session that was ended by logging out. Raises Unavailable."""
    is_session = who == request.cookies.get(SESSION, "")
    return is_session and await request.app[DESK].sessions.has_ended(_parts(who)[1])


def _parts(session: str) -> tuple[str, str]:
    """Return when a session ends, as text, and what names it."""
    ends, _, rest = session.partition(".")
    return ends, rest.partition(".")[0]


def _way_in(request: web.Request, status: int = 401, why: str = "") -> web.Response:
    if request.app[CONFIG].admin.token:
        data = {"title": request.app[PAGES].texts("login.title"), "status": status, "code": why or "login"}
        answer = shown(request, "login.html", data, status=status, token=forms.token(request), why=why)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    raise KeyRequestRefused(KeyRequestReason.LOGIN)


@routes.post("/admin/login")
@person
async def log_in(request: web.Request) -> web.StreamResponse:
    """Begin a session for whoever knows the token; so many tries an hour from one address."""
    config, desk = request.app[CONFIG], request.app[DESK]
    if not config.admin.token:
        raise MalformedPath("there is no password to log in with")
    fields = await forms.read(request)
    if await desk.keys.wait("login", forms.address(request)):
        return _way_in(request, KEY_REQUESTS[KeyRequestReason.ADDRESS], "address")
    if not _is_token(request, fields.get("token", "")):
        return _way_in(request, KEY_REQUESTS[KeyRequestReason.LOGIN], "wrong")
    ends = int(desk.history.now()) + config.admin.session_hours * 3600
    response = web.Response(status=303, headers={"Location": "/admin", "Cache-Control": "no-store"})
    session = _session(request, str(ends), secrets.token_urlsafe(12))
    forms.set_safe_cookie(request, response, SESSION, session, path=_PATH)
    return response


@routes.post("/admin/logout")
@admin
async def log_out(request: web.Request) -> web.StreamResponse:
    """End the session, in whichever browser it is: who copied its cookie has nothing of it."""
    await form(request)
    if (session := who(request)) == request.cookies.get(SESSION, ""):
        ends, nonce = _parts(session)
        desk = request.app[DESK]
        await desk.sessions.end(nonce, int(ends), int(desk.history.now()))
    response = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
    response.del_cookie(SESSION, path=_PATH)
    return response


@routes.get("/admin/login")
@routes.get("/admin/logout")
async def back(request: web.Request) -> web.StreamResponse:
    """Lead on whoever comes back here by the browser's history."""
    return web.Response(status=303, headers={"Location": "/admin", "Cache-Control": "no-store"})
