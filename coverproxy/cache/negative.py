"""The negative cache: remembers missing covers for a while, until the catalogue changes; bounded."""

import time
from collections import OrderedDict
from collections.abc import Callable


class NegativeCache:
    """Names that have no cover, in memory. Not thread-safe: it belongs to the event loop.

    A billion ISBNs can be requested, so the oldest names are evicted. `change` is a number that differs after
    anything may have been added: then everything is forgotten, since rechecking costs one lookup.

    Not cachetools' TTLCache: it saves some fifteen lines, but takes twice the memory per name and drops all
    that expired in one go, on the event loop: a quarter of a second for 300,000 names.
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
        """Return whether *name* was found missing recently and there was no *change* since."""
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
        """Remember *name* as missing at *change*; entries from another change are dropped."""
        if change != self._change:
            self._until.clear()
            self._change = change
        self._until.pop(name, None)
        self._until[name] = self._now() + self._ttl
        if len(self._until) > self._most:
            self._until.popitem(last=False)
