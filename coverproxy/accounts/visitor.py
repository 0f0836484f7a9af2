"""The client that asks for a cover, and what its key may still have."""

from dataclasses import dataclass
from datetime import datetime

from coverproxy.domain.api_key import Key


@dataclass(frozen=True, slots=True)
class Visitor:
    """The client that asks for a cover: its key, and whether it is an automated client.

    `waits`: seconds worth waiting for a cover that must be made; 0: the config's value. `address`: of a
    stranger who shares the key with others, and gets a share of its quota only.
    """

    key: Key
    is_automated: bool
    waits: float = 0.0
    address: str = ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A key's quota at one moment. `resets_in`: seconds until the day ends."""

    limit: int
    made: int
    resets_at: datetime
    resets_in: int

    @property
    def left(self) -> int:
        """How many covers it may still make today."""
        return max(self.limit - self.made, 0)
