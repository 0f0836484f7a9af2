"""Protocol of the numbered list of changes that programs read on from where they were."""

from typing import Protocol

from coverproxy.domain.shown_change import ShownChange

MOST_KEPT = 100_000
"""Changes that are kept: at a thousand new covers a day, most of them first ones, a year and more."""


class ChangeFeed(Protocol):
    """What items show changed, numbered in the order of the transactions, in the catalogue's database."""

    def note(self, change: ShownChange, keep: int = MOST_KEPT) -> None:
        """Append a change, and forget those before the last *keep*. MUST run within writing()."""
        ...

    def since(self, number: int, most: int) -> list[ShownChange]:
        """Return at most *most* changes after *number*, oldest first."""
        ...

    def before(self, at: int) -> int:
        """Return the number after which all changes since *at*, in seconds since 1970, come."""
        ...

    def ends(self) -> tuple[int, int]:
        """Return the numbers of the oldest and latest change that are kept; (0, 0) without any."""
        ...

    def cursor(self, name: str) -> int | None:
        """Return the number of the last change that *name* has received; None: none yet."""
        ...

    def move_cursor(self, name: str, number: int) -> None:
        """Remember the last change that *name* has received, and let other processes claim it."""
        ...

    def claim(self, name: str, now: int, until: int) -> tuple[int, int] | None:
        """Reserve *name* for the caller until a moment, if it has unsent changes and is free.

        Returns (its cursor, how often it failed in a row), or None. A new name begins with the next change.
        Moments are in seconds since 1970. MUST NOT run within writing().
        """
        ...

    def postpone(self, name: str, until: int) -> None:
        """Count a failure, and allow no claim of *name* before a moment."""
        ...
