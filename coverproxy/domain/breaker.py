"""A circuit breaker: a failing source is not asked for a while, then tried with one request at a time."""

from dataclasses import dataclass, replace
from enum import Enum

FAILURES = 5
"""Consecutive failures that open it."""

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
"""Longest time in seconds that it stays open; the time doubles whenever the probe fails as well."""

PROBE_SECONDS = 60.0
"""A probe without a result for this long was cancelled, and is given up."""

LONGEST_WISH = 86_400.0
"""Longest wait in seconds that a source can demand (Retry-After)."""


class BreakerState(Enum):
    """The state of a circuit breaker."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """An immutable state: each event returns the next one. Times are seconds of any one clock.

    closed: all requests pass; FAILURES in a row open it. open: none pass until a time. half-open: that time
    is over, and one request passes as a probe. Its success closes, its failure opens for longer: for
    `first_pause` seconds, then twice as long each time, up to `longest_pause`.
    """

    failures: int = 0
    openings: int = 0
    open_until: float | None = None
    probe_until: float | None = None
    first_pause: float = FIRST_PAUSE
    longest_pause: float = LONGEST_PAUSE

    def state(self, now: float) -> BreakerState:
        """Return the state at *now*."""
        if self.open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self.open_until else BreakerState.HALF_OPEN

    def admits(self, now: float) -> bool:
        """Return whether a request may pass: always, never, or as the only probe."""
        state = self.state(now)
        is_probed = self.probe_until is not None and now < self.probe_until
        return state is BreakerState.CLOSED or (state is BreakerState.HALF_OPEN and not is_probed)

    def asked(self, now: float) -> "Breaker":
        """Record an admitted request."""
        if self.state(now) is BreakerState.HALF_OPEN:
            return replace(self, probe_until=now + PROBE_SECONDS)
        return self

    def succeeded(self, now: float) -> "Breaker":
        """Record an answer of any kind. An answer to a request from before the opening does not close it."""
        if self.state(now) is BreakerState.OPEN:
            return self
        return Breaker(first_pause=self.first_pause, longest_pause=self.longest_pause)

    def failed(self, now: float) -> "Breaker":
        """Record a failure. A request from before the opening does not prolong the pause."""
        if self.state(now) is BreakerState.OPEN:
            return self
        failures = self.failures + 1
        if self.open_until is None and failures < FAILURES:
            return replace(self, failures=failures)
        pause = min(self.first_pause * 2**self.openings, self.longest_pause)
        openings = min(self.openings + 1, 16)
        return replace(self, failures=failures, openings=openings, open_until=now + pause, probe_until=None)

    def told_to_wait(self, now: float, seconds: float) -> "Breaker":
        """Record that the source asked us to wait *seconds* (429, or Retry-After)."""
        until = now + min(max(seconds, 0.0), LONGEST_WISH)
        return replace(self, open_until=max(until, self.open_until or until), probe_until=None)
