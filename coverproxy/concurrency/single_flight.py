"""One task per name: later callers wait for its result."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

from coverproxy.domain.errors import OwnFault, Pending

T = TypeVar("T")


class _Flight(Generic[T]):
    """A call in flight, and who waits for it. One callback wakes all: asyncio.wait() adds one for each."""

    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Future[T]) -> None:
        self.task = task
        self.waiters: list[asyncio.Future[None]] = []


class SingleFlight(Generic[T]):
    """The calls in flight in this process, by name."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, name: str) -> bool:
        return name in self._flights

    async def join(
        self,
        name: str,
        make: Callable[[], Coroutine[Any, Any, T]],
        within: float,
        concerns_us: Callable[[OwnFault], bool],
    ) -> tuple[T, bool]:
        """Wait for the flight of *name*, starting it if needed; return its result and whether we started it.

        The flight is a task of its own, so a client that disconnects cancels no other's. Its failure is
        raised to all waiters, except an OwnFault that does not concern the waiter: that one tries again, as
        leader. Raises Pending after *within* seconds; the flight goes on.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while True:
            flight = self._flights.get(name)
            is_leader = flight is None
            if flight is None:
                flight = self._begin(name, make)
            waiter = loop.create_future()
            flight.waiters.append(waiter)
            alarm = loop.call_at(deadline, _wake, waiter)
            try:
                await waiter  # not the task: a timeout or a disconnect must not end it
            finally:
                alarm.cancel()
            task = flight.task
            if not task.done():
                raise Pending("the cover is being made")
            try:
                return task.result(), is_leader
            except OwnFault as exc:
                if is_leader or concerns_us(exc):
                    raise

    def start(self, name: str, make: Callable[[], Coroutine[Any, Any, T]], most: int) -> None:
        """Start a flight without a waiter, unless it is in flight already, or *most* flights are."""
        if name not in self._flights and len(self._flights) < most:
            self._begin(name, make)

    def _begin(self, name: str, make: Callable[[], Coroutine[Any, Any, T]]) -> "_Flight[T]":
        flight = self._flights[name] = _Flight(asyncio.get_running_loop().create_task(make()))
        flight.task.add_done_callback(partial(self._landed, name))
        return flight

    def _landed(self, name: str, task: asyncio.Future[T]) -> None:
        for waiter in self._flights.pop(name).waiters:
            _wake(waiter)
        if not task.cancelled():
            task.exception()  # retrieved, even if all waiters have disconnected

    async def land(self, within: float) -> int:
        """Wait for all flights, at most *within* seconds; return how many are unfinished."""
        tasks = {flight.task for flight in self._flights.values()}
        if not tasks:
            return 0
        _, late = await asyncio.wait(tasks, timeout=within)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(late)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():  # late, or cancelled
        waiter.set_result(None)
