"""Who asks for a cover, and what that key may still have."""

from dataclasses import dataclass
from datetime import datetime

from coverproxy.domain.api_key import Key


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks for a cover: with which key, and whether as a program that nobody watches.

    `waits`: seconds that are worth waiting for a cover that is not here; 0: as long as the config says.
    `address`: of a stranger who shares the key with others, and may use a part of its quota only.
    """

    key: Key
    is_automated: bool
    waits: float = 0.0
    address: str = ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A key's quota at a moment. `resets_in`: seconds until the day ends."""

    limit: int
    made: int
    resets_at: datetime
    resets_in: int

    @property
    def left(self) -> int:
        """How many covers it may still make today."""
        return max(self.limit - self.made, 0)
