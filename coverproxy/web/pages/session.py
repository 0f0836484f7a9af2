"""Administrators' authentication: by password, by a program's token, or by the front server's header."""

import functools
import hashlib
import hmac
import ipaddress
import secrets
import time
from urllib.parse import urlsplit

from aiohttp import web
from itsdangerous import BadSignature, URLSafeSerializer

from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused, MalformedPath
from coverproxy.web.app_keys import CONFIG, DESK
from coverproxy.web.client_ip import believes
from coverproxy.web.errors import KEY_REQUESTS
from coverproxy.web.pages import forms
from coverproxy.web.pages.page import Handler, person, shown, texts_for

routes = web.RouteTableDef()

SESSION = "coverproxy_admin"
"""The cookie of a logged-in administrator."""

_PATH = "/admin"
"""The path of that cookie: requests for covers never carry it."""

GUESSING: web.AppKey[dict[str, float]] = web.AppKey("guessing", dict)
"""Addresses (pseudonyms) that tried too many wrong tokens, and until when they are blocked (monotonic)."""

_MOST_GUESSING = 10_000
_MOST_HELD_SECONDS = 3600.0

_WHO: web.RequestKey[str] = web.RequestKey("who", str)


def admin(handler: Handler) -> Handler:
    """Admit only administrators: others get the login page as a 401, or a 404 if there is no way to log
    in.
    """

    @functools.wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        if not request.app[CONFIG].admin.is_on:
            raise MalformedPath("there are no admin pages here: no login is configured")
        if await _is_guessing(request):
            return _way_in(request, KEY_REQUESTS[KeyRequestReason.ADDRESS], "address")
        who = _who(request)
        if who is None or await _has_ended(request, who):
            return _way_in(request)
        request[_WHO] = who
        return await handler(request)

    return person(guarded)


def who(request: web.Request) -> str:
    """Return the administrator, for form tokens; only within admin()."""
    return request[_WHO]


async def form(request: web.Request) -> dict[str, str]:
    """Return the fields of an administrator's form. Raises KeyRequestRefused("form") for a forged one.

    A program that sends the token itself needs no form token: browsers never add that header on their own.
    """
    return await (forms.fields_of(request) if _is_program(request) else forms.read(request, who(request)))


def _who(request: web.Request) -> str | None:
    config = request.app[CONFIG]
    if _is_program(request):
        return "program"
    named = request.headers.get(config.admin.header, "") if config.admin.header else ""
    if named and believes(request, config.front) and _is_own_host(request):
        return f"front {named}"
    return request.cookies[SESSION] if _session(request) else None


def _is_own_host(request: web.Request) -> bool:
    """Return whether the request names this site as its host.

    A foreign page whose name resolves to this machine (DNS rebinding) makes a browser here send requests over
    the loopback, but with that name. Without front.public_url, only addresses and localhost are trusted.
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
    """Return whether this address tried too many wrong tokens: then a right one is refused as well.

    Counted together with the login form's tries, so that both share one limit. The store is queried only
    after a wrong token; known guessers are blocked from memory.
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
    """Return the token of `Authorization: Bearer …`, or ""."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_program(request: web.Request) -> bool:
    return bool(token := _bearer(request)) and _is_token(request, token)


def _is_token(request: web.Request, text: str) -> bool:
    """Compare digests: in constant time, whatever the length and the matching part."""
    token = request.app[CONFIG].admin.token
    given, wanted = (hashlib.sha256(each.encode(errors="surrogateescape")).digest() for each in (text, token))
    return bool(token) and hmac.compare_digest(given, wanted)


def _signer(request: web.Request) -> URLSafeSerializer:
    """Return what signs sessions; changing the token in the config invalidates them."""
    token = hashlib.sha256(request.app[CONFIG].admin.token.encode()).hexdigest()
    return URLSafeSerializer(
        request.app[DESK].secret, f"session {token}", signer_kwargs={"digest_method": hashlib.sha256}
    )


def _session(request: web.Request) -> tuple[int, str] | None:
    """Return end and nonce of the cookie's session; None if it is not one of ours, or is over."""
    if not request.app[CONFIG].admin.token:
        return None
    try:
        ends, nonce = _signer(request).loads(forms.cookie(request, SESSION))
    except BadSignature:
        return None
    return (ends, nonce) if ends > request.app[DESK].history.now() else None


async def _has_ended(request: web.Request, who: str) -> bool:
    """Return whether *who* is a session that was logged out. Raises Unavailable."""
    session = _session(request) if who == request.cookies.get(SESSION) else None
    return session is not None and await request.app[DESK].sessions.has_ended(session[1])


def _way_in(request: web.Request, status: int = 401, why: str = "") -> web.Response:
    if request.app[CONFIG].admin.token:
        data = {"title": texts_for(request)("login.title"), "status": status, "code": why or "login"}
        answer = shown(request, "login.html", data, status=status, token=forms.token(request), why=why)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    raise KeyRequestRefused(KeyRequestReason.LOGIN)


@routes.post("/admin/login")
@person
async def log_in(request: web.Request) -> web.StreamResponse:
    """Start a session for the right token; tries per hour and address are limited."""
    config, desk = request.app[CONFIG], request.app[DESK]
    if not config.admin.token:
        raise MalformedPath("password login is not configured")
    fields = await forms.read(request)
    if await desk.keys.wait("login", forms.address(request)):
        return _way_in(request, KEY_REQUESTS[KeyRequestReason.ADDRESS], "address")
    if not _is_token(request, fields.get("token", "")):
        return _way_in(request, KEY_REQUESTS[KeyRequestReason.LOGIN], "wrong")
    ends = int(desk.history.now()) + config.admin.session_hours * 3600
    response = web.Response(status=303, headers={"Location": "/admin", "Cache-Control": "no-store"})
    session = _signer(request).dumps([ends, secrets.token_urlsafe(12)])
    forms.set_safe_cookie(request, response, SESSION, session, path=_PATH)
    return response


@routes.post("/admin/logout")
@admin
async def log_out(request: web.Request) -> web.StreamResponse:
    """End the session everywhere: copies of its cookie become useless."""
    await form(request)
    if who(request) == request.cookies.get(SESSION) and (session := _session(request)):
        ends, nonce = session
        desk = request.app[DESK]
        await desk.sessions.end(nonce, ends, int(desk.history.now()))
    response = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
    response.del_cookie(SESSION, path=_PATH)
    return response


@routes.get("/admin/login")
@routes.get("/admin/logout")
@routes.get("/admin/decide")
async def back(request: web.Request) -> web.StreamResponse:
    """Redirect GETs of form URLs to /admin."""
    return web.Response(status=303, headers={"Location": "/admin", "Cache-Control": "no-store"})
