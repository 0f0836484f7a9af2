"""One task per name: later callers wait for its result."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from coverproxy.domain.errors import OwnFault, Pending

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The calls in flight in this process, by name."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Future[T]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    async def join(
        self,
        name: str,
        make: Callable[[], Awaitable[T]],
        within: float,
        concerns_us: Callable[[OwnFault], bool],
    ) -> tuple[T, bool]:
        """Wait for the flight of *name*, starting it if needed; return its result and whether we started it.

        The flight is a task of its own, so a client that disconnects cancels no other's. Its failure is
        raised to all waiters, except an OwnFault that does not concern the waiter: that one tries again, as
        leader. Raises Pending after *within* seconds; the flight goes on.
        """
        deadline = asyncio.get_running_loop().time() + within
        while True:
            task = self._tasks.get(name)
            is_leader = task is None
            if task is None:
                task = self._tasks[name] = asyncio.ensure_future(make())
                task.add_done_callback(partial(self._landed, name))
            # unlike wait_for, wait() does not cancel the task on a timeout or a disconnect
            await asyncio.wait({task}, timeout=deadline - asyncio.get_running_loop().time())
            if not task.done():
                raise Pending("the cover is being made")
            try:
                return task.result(), is_leader
            except OwnFault as exc:
                if is_leader or concerns_us(exc):
                    raise

    def start(self, name: str, make: Callable[[], Awaitable[T]], most: int) -> None:
        """Start a flight without a waiter, unless it is in flight already, or *most* flights are."""
        if name not in self._tasks and len(self._tasks) < most:
            task = self._tasks[name] = asyncio.ensure_future(make())
            task.add_done_callback(partial(self._landed, name))

    def _landed(self, name: str, task: asyncio.Future[T]) -> None:
        del self._tasks[name]
        if not task.cancelled():
            task.exception()  # retrieved, even if all waiters have disconnected

    async def land(self, within: float) -> int:
        """Wait for all flights, at most *within* seconds; return how many are unfinished."""
        tasks = set(self._tasks.values())
        if not tasks:
            return 0
        _, late = await asyncio.wait(tasks, timeout=within)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(late)
