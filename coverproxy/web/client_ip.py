"""Who asks and under which address, as the trusted web server in front tells it, or the connection itself."""

import ipaddress
from functools import lru_cache

from aiohttp import web

from coverproxy.config import Front
from coverproxy.web.app_keys import CONFIG

_MAX_ADDRESS = 64
"""Characters of an address, with brackets and a zone; what is longer is none, and enters no cache."""


def client_address(request: web.BaseRequest, front: Front) -> str:
    """Return the client's address: of those in `X-Forwarded-For`, the last that no trusted front has.

    Each front appends whom it heard; what stands before the first untrusted one, anybody can have written.
    The empty text where nobody knows (a Unix socket without a front).
    """
    if not believes(request, front):
        return request.remote or ""
    told = request.headers.getall("X-Forwarded-For", [])
    for address in reversed(",".join(told).split(",")):
        if not is_trusted(address.strip(), front):
            return _plain(address) or request.remote or ""
    return request.remote or ""


def base_url(request: web.Request) -> str:
    """Return the address that clients know this site by, without a last slash: for links in pages."""
    return request.app[CONFIG].front.public_url or asked_url(request)


def asked_url(request: web.Request) -> str:
    """Return the address that this request was sent to, without a last slash."""
    front = request.app[CONFIG].front
    scheme = request.headers.get("X-Forwarded-Proto", "") if believes(request, front) else ""
    return f"{scheme if scheme in ('http', 'https') else request.scheme}://{request.host}"


def believes(request: web.BaseRequest, front: Front) -> bool:
    """Say whether the connection comes from the front; over a Unix socket nobody else can come."""
    return not request.remote or is_trusted(request.remote, front)


def is_trusted(address: str, front: Front) -> bool:
    """Say whether an address is one of `front.trusted`."""
    return len(address) <= _MAX_ADDRESS and _is_trusted(address, front)


@lru_cache(maxsize=4096)
def _is_trusted(address: str, front: Front) -> bool:
    plain = _plain(address)
    return bool(plain) and any(ipaddress.ip_address(plain) in network for network in front.networks)


def _plain(address: str) -> str:
    """Return an address without port, brackets or IPv4-in-IPv6; the empty text where it is none."""
    text = address.strip().strip("[]")
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)
