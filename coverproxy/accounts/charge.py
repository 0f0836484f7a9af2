"""A cover as it counts against a quota."""

from collections.abc import Awaitable, Callable


class Refused(Exception):
    """The quota has no place left for this cover."""


class Charge:
    """One cover, counted before it is made: in the thread that makes it, or on the event loop.

    *now* counts it in this thread, *later* on the event loop: each returns the key's new count, and None if
    it is refused. Without them it is free. `is_waived`: made but not stored, so its key does not pay.
    `count`: the key's, once it is taken.
    """

    def __init__(
        self,
        now: Callable[[], int | None] | None = None,
        later: Callable[[], Awaitable[int | None]] | None = None,
    ) -> None:
        self.is_waived = False
        self.count: int | None = None
        self._now = now
        self._later = later

    @property
    def is_due(self) -> bool:
        """Whether it is still to be counted."""
        return self._later is not None and self.count is None

    @property
    def must_be_first(self) -> bool:
        """Whether it must be counted on the event loop, before a thread makes the cover."""
        return self.is_due and self._now is None

    def take_now(self) -> None:
        """Count it in this thread, if it is due. Raises Refused; Unavailable: settle() has to count it."""
        if self._now is not None and self.is_due:
            self._note(self._now())

    async def settle(self) -> None:
        """Count it on the event loop, if it is due. Raises Refused, Unavailable."""
        if self._later is not None and self.is_due:
            self._note(await self._later())

    def _note(self, count: int | None) -> None:
        if count is None:
            raise Refused
        self.count = count
