"""CSRF protection: each form has a token, signed for a cookie of the browser."""

import hashlib
import hmac
import ipaddress
import secrets

from aiohttp import web
from itsdangerous import Signer

from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused
from coverproxy.web import bodies
from coverproxy.web.app_keys import CONFIG, DESK
from coverproxy.web.client_ip import base_url, client_address

FORM = "coverproxy_form"
"""The session cookie that identifies a browser."""

FIELD = "form_token"

_NONCE: web.RequestKey[str] = web.RequestKey("form_nonce", str)


def token(request: web.Request, who: str = "") -> str:
    """Return the token for a form of *who* (an administrator's session; "": anybody); send() sets its cookie.

    The signed double-submit cookie of OWASP's CSRF cheat sheet, bound to the session: a cookie that an
    attacker managed to set does not match an administrator's forms.
    """
    nonce = request.get(_NONCE) or request.cookies.get(FORM, "")
    if not _is_nonce(nonce):
        nonce = secrets.token_urlsafe(18)
    request[_NONCE] = nonce
    return _signer(request).get_signature(f"{nonce} {who}").decode()


async def read(request: web.Request, who: str = "") -> dict[str, str]:
    """Return the fields of one of our forms.

    Raises KeyRequestRefused("form") for a form from elsewhere, or one too old.
    """
    fields = await fields_of(request)
    check(request, fields, who)
    return fields


def check(request: web.Request, fields: dict[str, str], who: str = "") -> None:
    """Raise KeyRequestRefused("form") unless *fields* hold the token of a form of ours."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise KeyRequestRefused(KeyRequestReason.FORM)
    nonce = request.cookies.get(FORM, "")
    if not _is_nonce(nonce) or not _signer(request).verify_signature(f"{nonce} {who}", fields.get(FIELD, "")):
        raise KeyRequestRefused(KeyRequestReason.FORM)


def _signer(request: web.Request) -> Signer:
    return Signer(request.app[DESK].secret, "form", digest_method=hashlib.sha256)


async def fields_of(request: web.Request) -> dict[str, str]:
    """Return the fields of a form from anywhere. Raises what bodies.form() raises."""
    return await bodies.form(request)


def set_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """Set the cookie that a form in this answer needs."""
    if nonce := request.get(_NONCE):
        set_safe_cookie(request, response, FORM, nonce)


def set_safe_cookie(
    request: web.Request, response: web.StreamResponse, name: str, value: str, path: str = "/"
) -> None:
    """Set a session cookie that no script reads and no other site sends."""
    is_https = base_url(request).startswith("https://")
    response.set_cookie(name, value, httponly=True, samesite="Strict", secure=is_https, path=path)


def cookie(request: web.Request, name: str) -> bytes:
    """Return a cookie's value for itsdangerous, which takes no text that is not Unicode."""
    return request.cookies.get(name, "").encode(errors="surrogateescape")


def keyed(request: web.Request, text: str) -> str:
    """Return a keyed hash of *text*: a pseudonym or a seed, which nobody else can compute.

    Not itsdangerous: nothing is handed out to be checked, and rate limits on disk know the same pseudonyms.
    """
    return hmac.new(request.app[DESK].secret, text.encode(), hashlib.sha256).hexdigest()


def address(request: web.Request) -> str:
    """Return a pseudonym of the client's address for rate limits: the same address gives the same one.

    For IPv6, of the /64 network, which is what one household or host has.
    """
    told = client_address(request, request.app[CONFIG].front)
    try:
        parsed = ipaddress.ip_address(told)
    except ValueError:
        return keyed(request, "address")[:16]
    block = 64 if parsed.version == 6 else 32
    network = ipaddress.ip_network(f"{parsed}/{block}", strict=False)
    return keyed(request, f"address {network}")[:16]


def _is_nonce(text: str) -> bool:
    return len(text) == 24 and text.isascii() and text.replace("-", "").replace("_", "").isalnum()
