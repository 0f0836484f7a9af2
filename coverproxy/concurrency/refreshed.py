"""A value that many read, refreshed by one of them after some seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Refreshed(Generic[Value]):
    """The last value `found`, which is used until the time `until`. For one event loop."""

    def __init__(self, first: Value, seconds: float) -> None:
        self.found = first
        self.until = float("-inf")
        self._seconds = seconds
        self._finding = asyncio.Lock()

    async def get(self, find: Callable[[], Awaitable[Value]]) -> Value:
        """Return the value, from *find* where its time is over: others wait for that. Raises what it does."""
        async with self._finding:
            if time.monotonic() >= self.until:
                self.found = await find()
                self.until = time.monotonic() + self._seconds
        return self.found
