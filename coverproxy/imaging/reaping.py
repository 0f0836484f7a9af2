"""Waits for the end of a child, and says what it had taken: what subprocess does not tell."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import NamedTuple

_LOOK_SECONDS = 0.001
_LONGEST_LOOK_SECONDS = 0.05


class Ended(NamedTuple):
    """How a child ended: its exit code as subprocess gives it, and the most memory that it held at once."""

    code: int
    peak_bytes: int


def end(process: "subprocess.Popen[bytes]", patience: float = 0) -> Ended:
    """Wait for its end, and kill it after *patience* seconds. Another thread may kill it at any time."""
    until, pause = time.monotonic() + patience, _LOOK_SECONDS
    while (ended := _reaped(process, os.WNOHANG)) is None and time.monotonic() < until:
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_LOOK_SECONDS)
    if ended is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        ended = _reaped(process, 0)
    return ended or Ended(process.wait(), 0)


def _reaped(process: "subprocess.Popen[bytes]", options: int) -> Ended | None:
    """Return how it ended; None if it has not, or cannot be told."""
    try:
        number, status, usage = os.wait4(process.pid, options)
    except ChildProcessError:  # who killed it meanwhile has looked after it
        return Ended(process.wait(), 0)
    if not number:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, usage.ru_maxrss * 1024)
