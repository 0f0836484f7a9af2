"""Socket activation and readiness notification as systemd defines them."""

import os
import socket
from collections.abc import Callable, MutableMapping
from contextlib import suppress

_FIRST = 3
"""SD_LISTEN_FDS_START (sd_listen_fds(3)): the first descriptor after the three standard ones."""


def listeners(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Take the listening sockets that were passed to this process, and hide them from its children.

    As in sd_listen_fds(3): `LISTEN_PID` is our id, `LISTEN_FDS` the number. Raises OSError for a descriptor
    that is not a socket.
    """
    told = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if told[0] != str(os.getpid()) or not told[1].isdecimal():
        return []
    handed = [socket.socket(fileno=number) for number in range(_FIRST, _FIRST + int(told[1]))]
    for each in handed:
        each.set_inheritable(False)
        each.setblocking(False)
    return handed


def notifier(environ: MutableMapping[str, str]) -> Callable[[str], None]:
    """Return a function that reports a state such as "READY=1" (sd_notify(3)), taking the address from
    *environ*.

    Children must not see it: gunicorn would report readiness before any worker is ready.
    """
    address = environ.pop("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return lambda state: None

    def tell(state: str) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            # an abstract address begins with a NUL, which an environment cannot contain
            out.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)

    return tell
