"""A decoder for tests: the product's own, in render processes that all tests of a process share."""

import atexit
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from coverproxy.config import Config, Import, Limits
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.original import Original
from coverproxy.imaging.decoder import ProcessDecoder, bounds
from coverproxy.imaging.render_process import Bounds, RenderReply
from coverproxy.imaging.render_processes import RenderProcesses
from coverproxy.originals.examine import measured, sketched

COUNT = 4
"""As many as test servers have render threads; each starts with the first picture that no other takes."""


class _Lasting(RenderProcesses):
    """Render processes that outlive the servers which use them.

    A process ends with the thread that started it, and a server's render threads end with the server: those
    here last as long as the tests.
    """

    def __init__(self, count: int, bounds: Bounds) -> None:
        super().__init__(count, bounds)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="shared render")

    def run(self, operation: str, arguments: tuple[Any, ...], body: bytes) -> RenderReply:
        """Run an operation on a thread that lasts."""
        return self._threads.submit(super().run, operation, arguments, body).result()


@cache
def _sharing(within: Bounds) -> RenderProcesses:
    opened = _Lasting(COUNT, within)
    atexit.register(opened.close)
    return opened


def processes(config: Config | None = None) -> RenderProcesses:
    """Return the render processes for the bounds of a config, of the default one unless told otherwise."""
    return _sharing(bounds(config or Config()))


@cache
def decoder() -> ProcessDecoder:
    """Return the decoder."""
    return ProcessDecoder(processes())


def look(body: bytes, identifier: Identifier, limits: Limits, rules: Import) -> Original:
    """What import says of a body: its original, or OriginalRefused."""
    return measured(sketched(body, identifier, rules), body, decoder(), limits)
