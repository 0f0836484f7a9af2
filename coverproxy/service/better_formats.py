"""Covers in better formats than JPEG, made in the background for clients that accept them."""

import asyncio
import fcntl
import logging
import os
import random
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from coverproxy import log
from coverproxy.cache.negative import NegativeCache
from coverproxy.concurrency import idle
from coverproxy.config import Formats
from coverproxy.domain.spec import Spec
from coverproxy.imaging.render_processes import RenderProcesses
from coverproxy.service.make_better import BetterMaker, BetterOutcome
from coverproxy.stats.metrics import Metrics
from coverproxy.storage import ownership

T = TypeVar("T")

_log = logging.getLogger(__name__)

LOCK = "better"
"""The file, among the cache's locks, whose holder is the machine's one maker of better formats."""

TURN_SECONDS = 60.0
"""After so long the others get the lock: each worker has a queue of its own."""

LINGER_SECONDS = 5.0
"""How long a turn outlasts its queue: the render process takes as long to start as a few covers do."""

_LOOK_SECONDS = 0.5
_MOST_HOPELESS = 10_000
_HOPELESS_SECONDS = 3600.0


class BetterQueue:
    """What is wished for, and how often: bounded, and forgotten with the process.

    What is asked for most is next, and of several the latest. When it is full, what was asked for least
    recently gives way. Who still wants it asks again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._views: OrderedDict[Spec, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._views)

    def __contains__(self, spec: Spec) -> bool:
        return spec in self._views

    def add(self, spec: Spec) -> bool:
        """Count a view; return whether it evicted another wish."""
        self._views[spec] = self._views.get(spec, 0) + 1
        self._views.move_to_end(spec)
        if len(self._views) <= self._most:
            return False
        self._views.popitem(last=False)
        return True

    def take(self) -> Spec:
        """Take out the next wish. Raises ValueError if there is none."""
        most = max(reversed(self._views), key=self._views.__getitem__)  # max() keeps the first of equals
        del self._views[most]
        return most


class BetterFormats:
    """Makes better formats of what was asked for, at no key's cost, by a bounded share of the machine.

    One process of a machine does it at a time, with one cover in hand, in a render process of its own that
    gives way to all else. After each cover it rests until its share is kept. It waits while covers are made
    for visitors, and while the machine has little CPU time left.
    """

    def __init__(
        self,
        formats: Formats,
        maker: BetterMaker,
        processes: RenderProcesses,
        lock: Path,
        metrics: Metrics,
        is_busy: Callable[[], bool],
        change: Callable[[], int],
    ) -> None:
        self._formats = formats
        self._maker = maker
        self._processes = processes
        self._lock = lock
        self._metrics = metrics
        self._is_busy = is_busy
        self._change = change
        self._queue = BetterQueue(formats.background_queue)
        self._hopeless = NegativeCache(_MOST_HOPELESS, _HOPELESS_SECONDS)
        self._wished = asyncio.Event()
        # One, and it lasts: the kernel ends a render process with the thread that started it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="better")

    def wish(self, spec: Spec) -> bool:
        """Note that somebody would have liked *spec*, which is not there; say whether it may come soon."""
        if not self._formats.background_cores or self._hopeless.has(str(spec), self._change):
            return False
        if self._queue.add(spec):
            self._metrics.better.labels("dropped").inc()
        self._metrics.better_waiting.set(len(self._queue))
        self._wished.set()
        return True

    async def run(self) -> None:
        """Make the wished formats, until cancelled."""
        try:
            while True:
                await self._wished.wait()
                await self._quiet()
                async with self._turn() as is_ours:
                    if is_ours:
                        await self._work()
                        await self._off_loop(self._processes.rest)
                if not is_ours:  # at random moments, so that no worker is always the last to ask
                    await asyncio.sleep(_LOOK_SECONDS * (1 + random.random()))  # noqa: S311 - no secret
        finally:
            self._processes.stop()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[bool]:
        """Be the machine's only maker, where no other process is."""
        handle = self._taken()
        try:
            yield handle is not None
        finally:
            if handle is not None:
                os.close(handle)

    def _taken(self) -> int | None:
        try:
            ownership.make_folder(self._lock.parent)
            handle = ownership.opened(self._lock, os.O_RDWR)
        except OSError as exc:
            log.fault(_log, "no better formats are made", exc)
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        return handle

    async def _work(self) -> None:
        """Make one after the other, for as long as a turn lasts."""
        until = time.monotonic() + TURN_SECONDS
        while time.monotonic() < until:
            if not self._queue:
                self._wished.clear()
                try:
                    await asyncio.wait_for(self._wished.wait(), LINGER_SECONDS)
                except TimeoutError:
                    return
            await self._quiet()
            await self._make(self._queue.take())

    async def _make(self, spec: Spec) -> None:
        if self._hopeless.has(str(spec), self._change):  # found out while it was wished for once more
            return
        began, change = self._processes.cpu_seconds(), self._change()
        try:
            outcome = await self._off_loop(partial(self._maker.make, spec))
        except Exception as exc:
            log.fault(_log, "a better format is not made", exc, trace=True, spec=str(spec))
            outcome = BetterOutcome.FAILED
        self._metrics.better.labels(outcome.value).inc()
        self._metrics.better_waiting.set(len(self._queue))
        if outcome.is_hopeless:
            self._hopeless.add(str(spec), change)
        spent = max(self._processes.cpu_seconds() - began, 0.0)  # less where its process died
        await asyncio.sleep(rest_seconds(spent, self._formats.background_cores))

    async def _quiet(self) -> None:
        """Wait until nobody waits for a cover, and the machine has CPU time to spare."""
        while self._is_busy() or not await idle.has_spare(self._formats.background_idle, _LOOK_SECONDS):
            self._metrics.better_pauses.inc()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _off_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """End the thread, and kill what it has in hand."""
        self._processes.stop()
        self._thread.shutdown(wait=True, cancel_futures=True)


def rest_seconds(spent: float, share: float) -> float:
    """Return how long to rest after *spent* seconds of CPU time, so that *share* of a core is kept."""
    return spent * (1 / share - 1)
