"""How long a client waits for a cover in progress: browsers longer, but not all of them at once."""

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

    @contextmanager
    def of(self, visitor: Visitor) -> Iterator[float]:
        """Yield the seconds that this client waits; the least if too many wait."""
        if visitor.waits <= self.least or not self._free:
            yield self.least
            return
        self._free -= 1
        try:
            yield visitor.waits
        finally:
            self._free += 1
