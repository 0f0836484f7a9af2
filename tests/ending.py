"""Ends what a test has started: a server so that no connection outlives its event loop, and a process."""

import asyncio
import subprocess
from collections.abc import Iterable
from typing import Any, AnyStr

from aiohttp import web


async def end(runner: web.AppRunner) -> None:
    """Stop the server, then drop what its clients have not read."""
    server = runner.server
    open_ones = [connection.transport for connection in server.connections] if server else []
    await runner.cleanup()
    await drop(transport for transport in open_ones if isinstance(transport, asyncio.WriteTransport))


async def drop(transports: Iterable[asyncio.WriteTransport]) -> None:
    """Cut connections off.

    Closing one waits until the other side has read all: where that side is slow or gone, the loop ends
    first, and the collector finds an open socket in some later test.
    """
    for transport in transports:
        transport.abort()
    await asyncio.sleep(0)


class Ending(subprocess.Popen[AnyStr]):
    """A process that is killed where the test around it fails: it might be waited for without end."""

    def __exit__(self, kind: type[BaseException] | None, *more: Any) -> None:
        if kind:
            self.kill()
        super().__exit__(kind, *more)
