"""The render queue: how many covers are made at once, how many may wait, and which is next."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from coverproxy.domain.errors import Busy

T = TypeVar("T")

_AHEAD = 2
"""Covers beyond the threads that are looked up and charged already, so that a free thread has work at once.

Two, as one of them may be waiting for another process that is making it.
"""

_NICENESS = 10
"""Beside the process's own: a tenth of the weight of nginx and the event loops, so hits go first."""


class RenderPool:
    """The threads that render, and those who wait for them.

    The first is next, as a page shows its covers from the top; but once one has waited for half of *patience*
    (seconds), the last is. For when more is asked for than can be made, first come, first served makes each
    cover just after its visitors have given up, and answers nobody: at three times what two workers could
    make, a fifth of it was answered with a cover. Those who have waited for longer than *patience* are
    made when there is nothing else to do, and give up their places to others.
    """

    def __init__(
        self, threads: int, waiting: int, patience: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="render", initializer=_give_way)
        self._places = threads + waiting
        self._turns = threads + _AHEAD
        self._patience = patience
        self._now = now
        self._waiting: dict[asyncio.Future[None], float] = {}
        self.taken = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place until the cover is stored; returns when it is its turn.

        Raises Busy: at once where no place is free, later where it was given to another.
        """
        if self.taken >= self._places:
            self._give_up_oldest()
        self.taken += 1
        try:
            await self._turn()
            try:
                yield
            finally:
                self._next()
        finally:
            self.taken -= 1

    def _give_up_oldest(self) -> None:
        """Take the place of who has waited for longest, if nobody is likely to wait there any more."""
        oldest = next(iter(self._waiting), None)
        if oldest is None or self._now() - self._waiting[oldest] <= self._patience:
            raise Busy("as many covers are being made as may be")
        del self._waiting[oldest]
        if not oldest.done():  # cancelled a moment ago
            oldest.set_exception(Busy("others came who could still be answered in time"))

    async def _turn(self) -> None:
        if self._turns > 0:
            self._turns -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = self._now()
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.pop(turn, None)
            if not turn.cancelled() and not turn.exception():
                self._next()  # it had just become our turn
            raise

    def _next(self) -> None:
        """Let another have our turn."""
        while self._waiting:
            oldest, newest = next(iter(self._waiting)), next(reversed(self._waiting))
            is_behind = self._now() - self._waiting[oldest] > self._patience / 2
            turn = newest if is_behind else oldest
            del self._waiting[turn]
            if not turn.done():  # cancelled a moment ago
                turn.set_result(None)
                return
        self._turns += 1

    async def run(self, work: Callable[[], T]) -> T:
        """Run *work* on a render thread. The caller holds a place."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Let the threads end; what runs is finished, what waits is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _give_way() -> None:
    """Have the kernel let others go before this thread, where it knows a thread's own niceness (Linux)."""
    with contextlib.suppress(OSError):
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, niceness)
