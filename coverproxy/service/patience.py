"""How long a visitor waits for a cover that is being made: browsers for long, and not all at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from coverproxy.accounts.visitor import Visitor

MOST_PATIENT = 256
"""Visitors of a worker that wait for longer than others: each holds a connection and some 10 kB."""


class Patience:
    """Hands out the seconds that each visitor waits: *least* for those that give up soon."""

    def __init__(self, least: float, most: int = MOST_PATIENT) -> None:
        self.least = least
        self._free = most

    @contextmanager
    def of(self, visitor: Visitor) -> Iterator[float]:
        """Return the seconds that are worth waiting, while it is waited; the least where too many wait."""
        if visitor.waits <= self.least or not self._free:
            yield self.least
            return
        self._free -= 1
        try:
            yield visitor.waits
        finally:
            self._free += 1
