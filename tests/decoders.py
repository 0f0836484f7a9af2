"""A decoder for tests: the product's own, in one render process that all tests of a process share."""

import atexit
from functools import cache

from coverproxy.config import Config
from coverproxy.imaging.decoder import ProcessDecoder, render_processes


@cache
def decoder() -> ProcessDecoder:
    """Return the decoder, which starts with its first picture."""
    processes = render_processes(Config(), 1)
    atexit.register(processes.close)
    return ProcessDecoder(processes)
