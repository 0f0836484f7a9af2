"""What is remembered as missing: for a while, up to a number, and only until the catalogue changes."""

import time
from collections import OrderedDict
from collections.abc import Callable


class NegativeCache:
    """Names that have no cover, in memory. Not safe between threads: it belongs to the event loop.

    A billion ISBNs can be asked for, so the oldest names give way. `change` is a number that differs once
    anything may have come in: then all is forgotten, as it costs one lookup to find out again.
    """

    def __init__(self, most: int, ttl_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._ttl = ttl_seconds
        self._now = now
        self._until: OrderedDict[str, float] = OrderedDict()
        self._change = -1

    def __len__(self) -> int:
        return len(self._until)

    def has(self, name: str, change: Callable[[], int]) -> bool:
        """Say whether *name* was found missing, not long ago and with no *change* since."""
        until = self._until.get(name)
        if until is None:
            return False
        if change() != self._change:
            self._until.clear()
            return False
        if until <= self._now():
            del self._until[name]
            return False
        return True

    def add(self, name: str, change: int) -> None:
        """Remember *name*, as found missing at *change*; what was found at another is forgotten."""
        if change != self._change:
            self._until.clear()
            self._change = change
        self._until.pop(name, None)
        self._until[name] = self._now() + self._ttl
        if len(self._until) > self._most:
            self._until.popitem(last=False)
