"""The memory of sources: what none of them has, and which asked us to wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from coverproxy.domain.spec import Identifier


@dataclass(frozen=True, slots=True)
class Remembered:
    """`is_absent`: no source had it recently. `paused`: remaining seconds to wait, by source."""

    is_absent: bool
    paused: Mapping[str, float]


class SourceMemory(Protocol):
    """What all processes remember about sources: a cache, which may be lost at any time.

    Safe for several threads and processes at once. Every method blocks, and raises StoreUnavailable if the
    store cannot be read or written. Times are seconds since 1970.
    """

    def look(self, identifier: Identifier, now: float) -> Remembered:
        """Return what is remembered at *now*."""
        ...

    def note_absent(self, identifier: Identifier, until: float, now: float) -> None:
        """Remember that no source has it. Bounded: if there are too many, those that expire first go."""
        ...

    def forget(self, identifier: Identifier) -> None:
        """Have the sources asked again for this identifier."""
        ...

    def pause(self, source: str, until: float) -> None:
        """Remember that a source asked us to wait; the later time counts."""
        ...
