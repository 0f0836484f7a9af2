"""Protocol of turns: slow work that one process of all nodes does at a time, from where it was left."""

from typing import NamedTuple, Protocol


class Turn(NamedTuple):
    """A turn that a process has. `place`: where the work goes on. `held`: until when nobody else takes it."""

    name: str
    place: str
    held: int


class TurnStore(Protocol):
    """Turns by the name of their work, in the catalogue's database. Moments are in seconds since 1970."""

    def claim(self, name: str, now: int, until: int) -> Turn | None:
        """Take the turn of *name*, or return None where another process has it. MUST NOT run in writing()."""
        ...

    def renew(self, turn: Turn, place: str, until: int) -> Turn | None:
        """Note how far the work is and keep the turn for longer; None: it is another's by now."""
        ...

    def let_go(self, turn: Turn) -> None:
        """Leave the turn to whoever goes on, unless it is another's by now."""
        ...

    def end(self, turn: Turn, now: int) -> None:
        """Note that the work is done, unless the turn is another's by now. The next one begins anew."""
        ...

    def ended(self, name: str) -> int:
        """Return when the work was last done; 0: never."""
        ...
