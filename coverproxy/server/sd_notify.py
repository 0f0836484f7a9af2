"""What a service manager hands to a process: listening sockets, and a place to say that it is ready."""

import os
import socket
from collections.abc import Callable, MutableMapping
from contextlib import suppress

_FIRST = 3
"""SD_LISTEN_FDS_START (sd_listen_fds(3)): the descriptors behind the three standard ones."""


def listeners(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Take the listening sockets that were handed to this very process, and say so to nobody below it.

    As sd_listen_fds(3) has it: `LISTEN_PID` is ours, `LISTEN_FDS` is how many. Raises OSError for one that is
    no socket.
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
    """Take the address that states are told to (sd_notify(3)); what is returned tells one, as "READY=1".

    Taken, so that nobody below tells one too: gunicorn would be ready before any worker is.
    """
    address = environ.pop("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return lambda state: None

    def tell(state: str) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            # an abstract address begins with a NUL, which an environment cannot hold
            out.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)

    return tell
