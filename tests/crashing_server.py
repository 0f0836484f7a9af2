"""The product's own server with a decoder that one original crashes or hangs, for test_decode_guard.py.

`crashing_server.py MARK WHAT LOG ARGUMENT...`: an original that holds the bytes MARK makes WHAT happen within
one call into C: "crash" reads address 0, "hang" sleeps. Each such decode is first noted in the file LOG, by
the process that does it. The arguments are the command's.
"""

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

os.environ["PROMETHEUS_MULTIPROC_DIR"] = ""  # `serve` names the folder, but only after our first import

from coverproxy.cli import main
from coverproxy.service import maker

MARK, WHAT, LOG = sys.argv[1].encode(), sys.argv[2], Path(sys.argv[3])
render = maker.render


def poisoned(body: bytes, *rest: Any) -> Any:
    """Render as ever, but for the marked original."""
    if MARK not in body:
        return render(body, *rest)
    with LOG.open("a") as log:
        log.write(f"{os.getpid()}\n")
    if WHAT == "crash":
        ctypes.string_at(0)
    ctypes.CDLL(None).sleep(1000)
    raise AssertionError("unreachable")


maker.render = poisoned
main(args=sys.argv[4:])
