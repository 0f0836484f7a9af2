"""How long the render queue may be: all its places for a burst, and few of them under lasting overload."""

_WEIGHT = 0.1
"""Of the latest cover in the mean time of one: a slow original alone does not close the queue."""

_AT_MOST, _AGAIN = 0.5, 0.25
"""Shares of the patience. Under overload the queue takes so long at most; it is over when it takes less."""

LEAST_AHEAD, _MOST_AHEAD = 2, 8
_AHEAD_SECONDS = 0.05
"""Turns beyond the covers that are rendered at once, so that a free thread has work at once: at least two, as
one of them may wait for another process that is making it; and more if all of them are made in that time."""

_NEARLY_ALL = 0.56
"""Share of all places that are taken while one account, which gets three quarters, keeps asking for more."""

_LASTING = 4.0
"""Times the patience. Pages of covers that follow each other are no overload: browsers wait for them."""


class RenderLoad:
    """The measured pace of a render queue, and the places that follow from it.

    A page's hundred covers at once wait for their turns, and so do those of the next page. It is overload
    when the queue takes longer than *patience* (seconds), or is nearly full, for four times as long as that.
    From then on a newcomer gets no place, unless it is served within half of the patience, until the queue
    is short. A queue that is full has refused some already: as many get a cover while it is shorter, sooner,
    and none waits so long that a moment in which the machine does other work makes it late.

    *least*: places that always are, so that no thread is idle. *most*: all of them.
    """

    def __init__(self, least: int, most: int, patience: float) -> None:
        self._least = least
        self._most = most
        self._patience = patience
        self._seconds = 0.0  # from the end of one cover to that of the next, while some wait
        self._ended = float("-inf")
        self._long_since: float | None = None

    def note_end(self, now: float, *, is_waited_for: bool) -> None:
        """Measure the pace when a cover is finished. *is_waited_for*: others wait for its turn."""
        if self._ended > float("-inf"):
            took = now - self._ended
            self._seconds = self._seconds + _WEIGHT * (took - self._seconds) if self._seconds else took
        self._ended = now if is_waited_for else float("-inf")

    def wait(self, taken: int) -> float:
        """Return the seconds until so many covers are made, at the measured pace; 0 if there is none yet."""
        return taken * self._seconds

    def ahead(self) -> int:
        """Return how many covers may be looked up and charged beyond those that are being rendered."""
        if not self._seconds:
            return LEAST_AHEAD
        return min(max(int(_AHEAD_SECONDS / self._seconds), LEAST_AHEAD), _MOST_AHEAD)

    def longest(self, at_once: int) -> float:
        """Return how many seconds a turn is worth waiting for: its cover is to be made within the patience.

        Where covers take long, three quarters of the patience: else every newcomer would push one out.
        """
        begun = self.wait(at_once + self.ahead())
        return self._patience - min(begun, self._patience * _AGAIN)

    def places(self, now: float, taken: int) -> int:
        """Return how many places there are now, of which so many are taken."""
        if not self._is_long(now, taken):
            self._long_since = None
        elif self._long_since is None:
            self._long_since = now
        if not self.is_overload(now):
            return self._most
        return min(max(int(self._patience * _AT_MOST / self._seconds), self._least + 1), self._most)

    def _is_long(self, now: float, taken: int) -> bool:
        if self.is_overload(now):
            return self.wait(taken) >= self._patience * _AGAIN
        is_nearly_full = self._seconds > 0 and taken >= self._most * _NEARLY_ALL
        return is_nearly_full or self.wait(taken) >= self._patience

    def is_overload(self, now: float) -> bool:
        """Return whether more has come for long than can be made."""
        return self._long_since is not None and now - self._long_since >= self._patience * _LASTING
