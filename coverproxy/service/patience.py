"""How long a client waits for a cover in progress: browsers longer, but not all of them at once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from coverproxy.accounts.visitor import Visitor

MOST_PATIENT = 256
"""Clients of a worker that wait longer than others: each holds a connection and some 10 kB."""


class Patience:
    """Assigns waiting times to clients: *least* for those that give up early."""

    def __init__(self, least: float, most: int = MOST_PATIENT) -> None:
        self.least = least
        self._free = most
        self._most_of_one = max(1, most * 3 // 4)
        self._held: Counter[str] = Counter()

    @contextmanager
    def of(self, visitor: Visitor, expected: float = 0.0) -> Iterator[float]:
        """Yield the seconds that this client waits; the least if too many wait, or longer would be in vain.

        *expected*: the seconds that it will take, as far as known. One account holds at most three places of
        four: one that waits long for many leaves some to others.
        """
        account = visitor.key.counted_as
        if visitor.waits <= self.least:
            yield visitor.waits or self.least
            return
        is_in_vain = expected > visitor.waits
        if is_in_vain or not self._free or self._held[account] >= self._most_of_one:
            yield self.least
            return
        self._free -= 1
        self._held[account] += 1
        try:
            yield visitor.waits
        finally:
            self._free += 1
            self._held[account] -= 1
            self._held += Counter()  # drops those that hold none
