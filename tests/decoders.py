"""A decoder for tests: the product's own, in one render process that all tests of a process share."""

import atexit
from functools import cache

from coverproxy.config import Config, Import, Limits
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.original import Original
from coverproxy.imaging.decoder import ProcessDecoder, render_processes
from coverproxy.imaging.render_process import RenderProcesses
from coverproxy.originals.examine import measured, sketched


@cache
def processes() -> RenderProcesses:
    """Return the one render process, which starts with its first picture."""
    opened = render_processes(Config(), 1)
    atexit.register(opened.close)
    return opened


@cache
def decoder() -> ProcessDecoder:
    """Return the decoder."""
    return ProcessDecoder(processes())


def look(body: bytes, identifier: Identifier, limits: Limits, rules: Import) -> Original:
    """What import says of a body: its original, or OriginalRefused."""
    return measured(sketched(body, identifier, rules), body, decoder(), limits)
