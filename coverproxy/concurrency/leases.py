"""One maker of a cover among all nodes: what a flight holds beside the lock of its machine."""

from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Lease:
    """The right to make a cover.

    `is_paid`: another node made it a moment ago and counted it, so this node's own copy is free. `is_made`:
    set by its holder once the cover is made and counted.
    """

    is_paid: bool = False
    is_made: bool = False


class Leases(Protocol):
    """Gives each name to one holder at a time."""

    def hold(self, name: str) -> AbstractAsyncContextManager[Lease]:
        """Hold the lease of *name*, waiting for its holder. Raises StoreUnavailable."""
        ...


class NoLeases:
    """Of one machine: there the file locks are enough."""

    def hold(self, name: str) -> AbstractAsyncContextManager[Lease]:
        """See Leases."""
        return nullcontext(Lease())
