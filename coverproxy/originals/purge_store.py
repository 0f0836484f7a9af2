"""Protocol of the purges of what the object store has of items."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from coverproxy.domain.spec import Identifier

PASSES = 2
"""How often a purge is carried out: another node may have been writing an old cover the first time."""

AGAIN_SECONDS = 60
"""How long after the first time."""


class Purge(NamedTuple):
    """The latest purge of a name: its number, from 1, and how often it is still to be carried out."""

    identifier: Identifier
    number: int
    passes: int = PASSES


class PurgeStore(Protocol):
    """How often each name's covers were purged, in the catalogue's database: see `Original.purges`.

    Moments are in seconds since 1970.
    """

    def note(self, identifiers: Iterable[Identifier], at: int) -> None:
        """Count one more purge of each, and have it carried out in the object store."""
        ...

    def due(self, now: int, most: int) -> list[Purge]:
        """Return at most *most* purges that are due, the earliest first."""
        ...

    def done(self, purge: Purge, now: int) -> None:
        """Record that a purge was carried out again, unless a later one came or another node did it."""
        ...
