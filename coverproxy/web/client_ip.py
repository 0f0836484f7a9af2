"""The client's address and the site's own, from the trusted web server in front or the connection."""

import ipaddress
from functools import lru_cache

from aiohttp import web

from coverproxy.config import Front
from coverproxy.web.app_keys import CONFIG

_MAX_ADDRESS = 64
"""Longest address in characters, with brackets and a zone; longer ones are invalid, and enter no cache."""


def client_address(request: web.BaseRequest, front: Front) -> str:
    """Return the client's address: the last one in `X-Forwarded-For` that is not a trusted front.

    Each front appends the address it saw; anybody can have written what precedes the first untrusted one.
    Empty if it is unknown (a Unix socket without a front).
    """
    if not believes(request, front):
        return request.remote or ""
    told = request.headers.getall("X-Forwarded-For", [])
    for address in reversed(",".join(told).split(",")):
        if not is_trusted(address.strip(), front):
            return _plain(address) or request.remote or ""
    return request.remote or ""


def base_url(request: web.Request) -> str:
    """Return the site's public address, without a trailing slash, for links in pages."""
    return request.app[CONFIG].front.public_url or asked_url(request)


def asked_url(request: web.Request) -> str:
    """Return the address that this request was sent to, without a trailing slash."""
    front = request.app[CONFIG].front
    scheme = request.headers.get("X-Forwarded-Proto", "") if believes(request, front) else ""
    return f"{scheme if scheme in ('http', 'https') else request.scheme}://{request.host}"


def believes(request: web.BaseRequest, front: Front) -> bool:
    """Return whether the connection comes from the front; over a Unix socket nothing else can connect."""
    return not request.remote or is_trusted(request.remote, front)


def is_trusted(address: str, front: Front) -> bool:
    """Return whether an address is one of `front.trusted`."""
    return len(address) <= _MAX_ADDRESS and _is_trusted(address, front)


@lru_cache(maxsize=4096)
def _is_trusted(address: str, front: Front) -> bool:
    plain = _plain(address)
    return bool(plain) and any(ipaddress.ip_address(plain) in network for network in front.networks)


def _plain(address: str) -> str:
    """Return an address without port, brackets or IPv4-in-IPv6; empty if it is invalid."""
    text = address.strip().strip("[]")
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)
