"""The input of a render process: bounded messages, and an environment without secrets."""

import os
import sys
from pathlib import Path

REQUEST_BYTES = 65_536
"""Most bytes of a request or an answer: numbers and words, never pixels."""

_PASSED_ON = ("PYTHON", "LD_", "LC_", "LANG", "COVERPROXY_SCALER")
"""Prefixes of the environment variables that a render process sees. Others may hold secrets."""


def environment() -> dict[str, str]:
    """Return the variables that a render process starts with."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
    ours = {
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        "OPENBLAS_NUM_THREADS": "1",  # numpy would start a thread before the sandbox
        "MALLOC_ARENA_MAX": "1",  # each arena takes 64 MiB of the limited address space
        "VIPS_DISC_THRESHOLD": "100g",  # larger images would go to a file, which the sandbox forbids
    }
    return kept | ours
