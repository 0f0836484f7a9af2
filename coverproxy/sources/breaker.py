"""A circuit breaker: a source that gives no answers is left alone, and tried again one ask at a time."""

from dataclasses import dataclass, replace
from enum import Enum

FAILURES = 5
"""Failures in a row that open it."""

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
"""Seconds that it stays open: twice as long each time that the probe fails as well."""

PROBE_SECONDS = 60.0
"""A probe that nothing was heard of for so long is given up: whoever made it was cancelled."""

LONGEST_WISH = 86_400.0
"""Seconds that a source is left alone at most because it wished so (Retry-After)."""


class State(Enum):
    """Whether a source is asked."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """A value: each event gives the next one. Times are seconds of any one clock.

    closed: every ask passes; FAILURES in a row open it. open: none passes until a time. half-open: that time
    is over, and one ask passes as a probe. Its success closes, its failure opens for longer.
    """

    failures: int = 0
    openings: int = 0
    open_until: float | None = None
    probe_until: float | None = None

    def state(self, now: float) -> State:
        """Return the state at *now*."""
        if self.open_until is None:
            return State.CLOSED
        return State.OPEN if now < self.open_until else State.HALF_OPEN

    def admits(self, now: float) -> bool:
        """Say whether one may ask: always, never, or as the one probe."""
        state = self.state(now)
        is_probed = self.probe_until is not None and now < self.probe_until
        return state is State.CLOSED or (state is State.HALF_OPEN and not is_probed)

    def asked(self, now: float) -> "Breaker":
        """Note that one who was admitted asks now."""
        if self.state(now) is State.HALF_OPEN:
            return replace(self, probe_until=now + PROBE_SECONDS)
        return self

    def succeeded(self, now: float) -> "Breaker":
        """Note an answer, whatever it says. One that was asked for before it opened opens nothing."""
        return self if self.state(now) is State.OPEN else Breaker()

    def failed(self, now: float) -> "Breaker":
        """Note that there was no answer. One that was asked before it opened makes no pause longer."""
        if self.state(now) is State.OPEN:
            return self
        failures = self.failures + 1
        if self.open_until is None and failures < FAILURES:
            return replace(self, failures=failures)
        pause = min(FIRST_PAUSE * 2**self.openings, LONGEST_PAUSE)
        return Breaker(failures, min(self.openings + 1, 16), now + pause)

    def told_to_wait(self, now: float, seconds: float) -> "Breaker":
        """Note that the source wished to be left alone for *seconds* (429, or Retry-After)."""
        until = now + min(max(seconds, 0.0), LONGEST_WISH)
        return replace(self, open_until=max(until, self.open_until or until), probe_until=None)
