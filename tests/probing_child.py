"""The product's own render process with an operation that tries what a taken-over decoder would try.

`probing_child.py NUMBER...`: the numbers are the product's. The operation "probe" says of each attempt how it
ended; "nonsense" answers what no decoder would.
"""

import ctypes
import encodings.idna  # noqa: F401 - for connect, which would import it in the sandbox
import os
import resource
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from coverproxy.imaging import render_child

said: dict[str, Any] = {}
"""What the next answer says in place of the truth."""


def attempts(target: str) -> dict[str, Callable[[], object]]:
    """What is tried; *target* is a file that the test made."""
    libc = ctypes.CDLL(None, use_errno=True)
    ours = os.getppid()

    def raw(call: int, *arguments: Any) -> None:
        if libc.syscall(call, *arguments) < 0:
            raise OSError(ctypes.get_errno(), "refused")

    return {
        "read": lambda: Path(target).read_bytes(),
        "write": lambda: Path(target).write_bytes(b"x"),
        "make": lambda: Path(target + ".new").touch(),
        "remove": lambda: Path(target).unlink(),
        "environment of the worker": lambda: Path(f"/proc/{ours}/environ").read_bytes(),
        "memory of the worker": lambda: Path(f"/proc/{ours}/mem").open("rb"),
        "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "unix": lambda: socket.socket(socket.AF_UNIX),
        "run": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - refused
        "fork": lambda: raw(57),
        "fork by the C library": forked,
        "kill": lambda: os.kill(ours, 0),
        "kill a thread": lambda: raw(234, ours, ours, 0),
        "slow the worker down": lambda: os.setpriority(os.PRIO_PROCESS, ours, 19),
        "slow all of the user's down": lambda: os.setpriority(os.PRIO_USER, 0, 19),
        "keep the worker to a core": lambda: os.sched_setaffinity(ours, os.sched_getaffinity(ours)),
        "facts of a file": lambda: Path(target).stat(),
        "time of a file": lambda: os.utime(target, (1, 1)),
        "attribute of a file": lambda: os.getxattr(target, "user.x"),
        "powers": powers,
        "more files": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)),
        "more memory": lambda: resource.setrlimit(resource.RLIMIT_AS, (2**40, 2**40)),
        "memory": lambda: bytearray(2**30),
        "large file": lambda: os.ftruncate(int(os.sys.argv[2]), 2**30),  # type: ignore[attr-defined]
        "thread": lambda: threading.Thread(target=int).start(),
    }


def forked() -> None:
    """Start a process as Python does."""
    if os.fork() == 0:
        os._exit(0)


def powers() -> None:
    """Raise OSError unless any of root's capabilities is left."""
    if not capabilities():
        raise OSError


def capabilities() -> int:
    """The effective capabilities, by capget(2)."""
    header, found = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    ctypes.CDLL(None).capget(header, found)
    return found[0] | found[3]


def probe(body: bytes) -> tuple[dict[str, Any], bytes]:
    """Try everything; say what was possible."""
    possible = []
    for name, attempt in attempts(body.decode()).items():
        try:
            attempt()
        except (OSError, MemoryError, ValueError):
            continue
        possible.append(name)
    return {"possible": possible, "environment": list(os.environ)}, b""


def nonsense(body: bytes, *rest: Any) -> tuple[dict[str, Any], bytes]:
    """Answer with facts of the wrong kind: what *body* says, as Python."""
    facts: dict[str, Any] = eval(body)  # noqa: S307 - a test's own words
    said.update({name: value for name, value in facts.items() if name == "length"})
    return facts, b"made"


def lying(request: bytes, memory: int, answer: Any = render_child._answer) -> bytes:
    """Answer with another length than that of what was made, where the facts have one."""
    told = orjson.loads(answer(request, memory))
    return orjson.dumps(told | said)


render_child._answer = lying
render_child.OPERATIONS |= {"probe": probe, "render": nonsense}
if __name__ == "__main__":
    render_child.main()
