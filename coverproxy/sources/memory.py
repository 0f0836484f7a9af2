"""What is remembered of sources: what none of them has, and which wish to be left alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from coverproxy.domain.spec import Identifier


@dataclass(frozen=True, slots=True)
class Remembered:
    """`is_absent`: no source has it, as of not long ago. `paused`: seconds still to wait, by source."""

    is_absent: bool
    paused: Mapping[str, float]


class SourceMemory(Protocol):
    """What all processes remember of sources: a cache, which may be lost at any time.

    Safe from several threads and processes at once. Every method blocks, and raises StoreUnavailable where
    the store cannot be read or written. Times are seconds since 1970.
    """

    def look(self, identifier: Identifier, now: float) -> Remembered:
        """Return what is remembered at *now*."""
        ...

    def note_absent(self, identifier: Identifier, until: float, now: float) -> None:
        """Remember that no source has it. Bounded: of too many, those whose time is over soonest go."""
        ...

    def forget(self, identifier: Identifier) -> None:
        """Have the sources asked again for this one."""
        ...

    def pause(self, source: str, until: float) -> None:
        """Remember that a source wishes to be left alone; of two wishes the longer counts."""
        ...
