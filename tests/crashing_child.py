"""The product's own render process with a decoder that marked originals crash, hang or feed with memory.

`crashing_child.py MARK WHAT LOG NUMBER...`: an original that holds the bytes MARK makes WHAT happen in
place of its decoding: "crash" reads address 0, "hang" sleeps within one call into C, "abort" aborts, "bomb"
takes memory without end, "swell" takes 100 MB and hangs, "once" hangs the first time only. With WHAT
"marked", the word behind MARK in the original says which. Each such decode is first noted in the file LOG.
The numbers are the product's.
"""

import ctypes
import os
import re
import sys
from typing import Any

from coverproxy.imaging import render_child

MARK, WHAT = sys.argv[1].encode(), sys.argv[2]
LOG = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
LIBC = ctypes.CDLL(None)


def bomb() -> None:
    """Take and touch memory until there is none."""
    held = []
    while True:
        held.append(bytearray(b"1") * 8_000_000)


def once() -> None:
    """Hang, unless somebody has."""
    if os.fstat(LOG).st_size <= len(f"{os.getpid()}\n"):
        LIBC.sleep(1000)


def swell() -> None:
    """Take and touch memory, and hang."""
    held = bytearray(b"1") * 100_000_000
    LIBC.sleep(1000)
    del held


HARM = {
    "once": once,
    "crash": lambda: ctypes.string_at(0),
    "hang": lambda: LIBC.sleep(1000),
    "abort": lambda: LIBC.abort(),
    "bomb": bomb,
    "swell": swell,
}


def poisoned(operation: render_child.Operation) -> render_child.Operation:
    """Return *operation*, but for the marked originals."""

    def decode(body: bytes, *rest: Any) -> Any:
        found = re.search(MARK + rb" ?([a-z]*)", body)
        if found is None:
            return operation(body, *rest)
        os.write(LOG, f"{os.getpid()}\n".encode())
        HARM[found[1].decode() if WHAT == "marked" else WHAT]()
        return operation(body, *rest)

    return decode


for name in ("render", "verify", "glance"):
    render_child.OPERATIONS[name] = poisoned(render_child.OPERATIONS[name])
sys.argv[1:4] = []
if __name__ == "__main__":
    render_child.main()
