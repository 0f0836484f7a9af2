"""Which addresses a source may be connected to: every way of writing an inner one is refused."""

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.sources.address import AddressRefused, checked_sockets, refusal

INNER = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255",  # noqa: S104
    "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    "192.0.0.192", "168.63.129.16", "198.18.0.1", "192.0.2.1", "203.0.113.9", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "192.88.99.1",
]  # fmt: skip
INNER_V6 = [
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fd12:3456::1", "fec0::1", "ff02::1",
    "2001:db8::1", "100::1",
]  # fmt: skip
OUTER = ["8.8.8.8", "93.184.216.34", "207.241.224.2", "2606:4700::1111", "2001:4860:4860::8888"]


def wrapped(inner: str) -> dict[str, str]:
    """An IPv4 address in each IPv6 form that something may unwrap it from."""
    number = int(ipaddress.IPv4Address(inner))
    high, low = number >> 16, number & 0xFFFF
    turned = ~number & 0xFFFFFFFF
    return {
        "compatible": f"::{high:x}:{low:x}",
        "mapped": f"::ffff:{high:x}:{low:x}",
        "translated": f"::ffff:0:{high:x}:{low:x}",
        "NAT64": f"64:ff9b::{high:x}:{low:x}",
        "local NAT64 /96": f"64:ff9b:1::{high:x}:{low:x}",
        "local NAT64 /48": f"64:ff9b:1:{high:x}:{low >> 8:x}:{(low & 0xFF) << 8:x}::",
        "6to4": f"2002:{high:x}:{low:x}::1",
        "Teredo client": f"2001:0:808:808:0:0:{turned >> 16:x}:{turned & 0xFFFF:x}",
        "Teredo server": f"2001:0:{high:x}:{low:x}::f7f7:f7f7",
        "ISATAP": f"2606:4700::5efe:{high:x}:{low:x}",
        "ISATAP, unique": f"2606:4700::200:5efe:{high:x}:{low:x}",
    }


@pytest.mark.parametrize("address", INNER + INNER_V6)
def test_what_is_not_of_the_public_network_is_refused(address: str) -> None:
    """Loopback, private, link-local, CGNAT, metadata services, multicast and reserved ones are refused."""
    assert refusal(address)


@pytest.mark.parametrize("address", OUTER)
def test_the_public_network_may_be_connected_to(address: str) -> None:
    """Public addresses need no permission."""
    assert refusal(address) is None


@pytest.mark.parametrize("form", wrapped("127.0.0.1"))
@given(inner=st.sampled_from(["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.9.9", "192.168.255.1"]))
def test_no_ipv6_form_carries_an_inner_address(form: str, inner: str) -> None:
    """An inner IPv4 address within an IPv6 one is refused, in every form there is."""
    assert refusal(wrapped(inner)[form])


@pytest.mark.parametrize("address", ["", "localhost", "1", "127.1", "::ffff:999.1.1.1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """A text that is no address in full is refused."""
    assert refusal(address)


@pytest.mark.parametrize("address", ["3fff::1", "3fff:fff:ffff::1", "5f00::1", "5f00:ffff::1"])
def test_reserved_networks_that_python_does_not_know_are_refused(address: str) -> None:
    """RFC 9637's documentation and RFC 9602's segment identifiers are not of the public network."""
    assert refusal(address)


@pytest.mark.parametrize("address", ["3ffe:ffff::1", "4000::1", "5eff::1", "5f01::1"])
def test_their_neighbours_are_not_taken_for_them(address: str) -> None:
    """Only those two networks are named: what lies beside them is judged as it was."""
    assert "not of the public network" not in (refusal(address) or "")


def test_what_is_allowed_is_just_that() -> None:
    """A network that the operator opens is open, and nothing beside it."""
    allowed = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/64"))

    assert refusal("10.1.2.3", allowed) is None
    assert refusal("fd00::9", allowed) is None
    assert refusal("10.2.0.1", allowed)
    assert refusal("::ffff:10.1.2.3", allowed)
    assert refusal("127.0.0.1", allowed)


@given(number=st.integers(0, 2**32 - 1))
def test_mapped_addresses_are_judged_as_what_they_are(number: int) -> None:
    """Whatever is refused as IPv4 is refused as IPv4-mapped IPv6."""
    inner = ipaddress.IPv4Address(number)
    if refusal(str(inner)):
        assert refusal(f"::ffff:{inner}")


def test_no_socket_is_made_for_a_refused_address() -> None:
    """The check stands where a socket is made: a refused address gets none."""
    make = checked_sockets((), ())
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80))

    with pytest.raises(AddressRefused, match="loopback"):
        make(info)
    with make((*info[:4], ("8.8.8.8", 80))) as made:
        assert made.family is socket.AF_INET
