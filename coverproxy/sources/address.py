"""The addresses that a source may connect to: public ones, and those the operator allows."""

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

REFUSED_ERRNO = errno.EACCES
"""The errno of AddressRefused, which identifies it after a client has merged several errors into one."""

_V4_IN_V6 = (
    # prefix, and by how many bits its IPv4 address is shifted from the right
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible (RFC 4291 §2.5.5.1)
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped (RFC 4291 §2.5.5.2)
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated (RFC 2765)
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64 (RFC 6052)
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4 (RFC 3056)
)
_TEREDO = ipaddress.IPv6Network("2001::/32")
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})

_CLOSED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this network": Linux treats it as loopback
        "100.64.0.0/10",  # shared by carriers (RFC 6598)
        "168.63.129.16/32",  # Azure's host services: a public address that only a guest reaches
        "192.0.0.0/24",  # IETF protocol assignments, Oracle's metadata among them
        "192.88.99.0/24",  # 6to4 relays
        "3fff::/20",  # documentation (RFC 9637): not in Python 3.11's list
        "5f00::/16",  # segment routing (RFC 9602): likewise
        "fec0::/10",  # site-local, deprecated and still routed in places
        "fd00:ec2::254/128",  # Amazon's metadata
    )
)


class AddressRefused(OSError):
    """A source's name resolves to an address that it may not connect to."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(REFUSED_ERRNO, f"{text} is {why}, and not allowed for this source at this port")


def refusal(text: str, allowed: Iterable[Network] = ()) -> str | None:
    """Return why *text* (an address, possibly with a zone) may not be connected to; None if it may.

    Everything outside the public network is refused: loopback, private, link-local (where clouds have their
    metadata services), CGNAT, multicast, reserved; and an IPv6 address that embeds such an IPv4 one, which a
    gateway would unwrap. *allowed*: what the operator opened for this source; an embedded address must be
    allowed as it is written.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return "not an address"
    if any(address in network for network in allowed if network.version == address.version):
        return None
    for inner in embedded(address):
        if why := _closed(inner):
            return f"{why} ({inner} within)"
    return _closed(address)


def embedded(address: Address) -> Iterator[ipaddress.IPv4Address]:
    """Yield every IPv4 address that an IPv6 one may be unwrapped to."""
    if address.version == 4:
        return
    number = int(address)
    for network, shift in _V4_IN_V6:
        if address in network:
            yield ipaddress.IPv4Address(number >> shift & 0xFFFFFFFF)
    if address in _TEREDO:  # RFC 4380 §4: the server's, and the client's with every bit inverted
        yield ipaddress.IPv4Address(number >> 64 & 0xFFFFFFFF)
        yield ipaddress.IPv4Address(~number & 0xFFFFFFFF)
    if address in _LOCAL_NAT64:  # RFC 6052 §2.2: of a prefix of 48 bits (around eight zeros), or of 96
        yield ipaddress.IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if number >> 32 & 0xFFFFFFFF in _ISATAP:  # RFC 5214 §6.1
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)


def _closed(address: Address) -> str | None:
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if any(address in network for network in _CLOSED if network.version == address.version):
        return "not of the public network"
    if not address.is_global:
        return "a private or reserved address"
    return None


def checked_sockets(allowed: Iterable[Network], ports: Iterable[int]) -> Callable[[Any], socket.socket]:
    """Return a socket factory that refuses forbidden addresses. It raises AddressRefused.

    *allowed* addresses are open at these *ports* only: an operator opens a host for its covers, not for other
    services there that a redirect could lead to. Public addresses are open at every port.

    The factory sees the very address that is connected to next, whether from a name, a literal or a redirect:
    a name that resolves differently the second time (DNS rebinding) gains nothing. A check of names, or of a
    resolver's answer, would miss literals (aiohttp does not resolve them).
    """
    networks, open_ports = tuple(allowed), frozenset(ports)

    def make(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        family, kind, protocol, _, address = info
        if why := refusal(str(address[0]), networks if address[1] in open_ports else ()):
            raise AddressRefused(str(address[0]), why)
        return socket.socket(family, kind, protocol)

    return make
