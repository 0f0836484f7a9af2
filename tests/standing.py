"""A server in a thread with a loop of its own: it stands while many tests, each with a loop, ask it."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from aiohttp import web
from ending import end

from coverproxy.server.application import Listeners
from coverproxy.web import bounds
from coverproxy.web.connections import BoundedRunner

T = TypeVar("T")

_MOST_SECONDS = 60.0


class Standing:
    """A server that answers from its first moment until it is closed."""

    def __init__(self, app: web.Application, listeners: Listeners) -> None:
        self.app, self.listeners = app, listeners
        self._opened: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = Thread(target=lambda: asyncio.run(self._stand()), name="standing server")
        self._thread.start()
        self._loop = self._opened.result(_MOST_SECONDS)

    async def _stand(self) -> None:
        self._over = asyncio.Event()
        runner = BoundedRunner(self.app, around=bounds.around(self.app), shutdown_timeout=2.0)
        try:
            await runner.setup()
            await web.SockSite(runner, self.listeners.covers).start()
        except BaseException as exc:
            self._opened.set_exception(exc)
            raise
        self._opened.set_result(asyncio.get_running_loop())
        await self._over.wait()
        await end(runner)

    async def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's loop, for a test in its own."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(_MOST_SECONDS)
        assert not self._thread.is_alive()
