"""Free ports for servers that cannot be given port 0, such as nginx."""

import socket
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from random import SystemRandom

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_MANY = 8000

_kept: list[socket.socket] = []
"""What marks a port as ours until this process ends."""


def free_port() -> int:
    """A port that nobody listens on, and that nobody gets: no other test, and no client or server by chance.

    The kernel gives none of these to who asks for port 0 or connects. Of those that it does give, another
    test may get one between our look and nginx's start. A name among the abstract sockets tells other
    processes that test.
    """
    first = SystemRandom().randrange(_MANY)
    for number in chain(_ports()[first:], _ports()[:first]):
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0coverproxy test port {number}")
            with socket.create_server(("127.0.0.1", number)):
                _kept.append(mark)
                return number
        except OSError:
            mark.close()
    raise AssertionError("no port is free")


@cache
def _ports() -> range:
    """Ports that the kernel gives nobody by itself: those below its own."""
    low = 32768
    with suppress(OSError):
        low = int(_RANGE.read_text().split()[0])
    return range(max(low - _MANY, 10_100), max(low, 10_100 + _MANY))


def unused_addresses() -> dict[str, str]:
    """An environment in which nothing listens on the configured addresses, whatever runs on this machine."""
    return {"COVERPROXY_SERVER__PORT": str(free_port()), "COVERPROXY_OPS__PORT": str(free_port())}
