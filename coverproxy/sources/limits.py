"""Limits before a source: requests at once, requests per second, and a circuit breaker."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from coverproxy import log
from coverproxy.domain.breaker import Breaker, BreakerState
from coverproxy.domain.spec import Identifier
from coverproxy.sources.base import Answer, Fetched, NotThere, Source, SourceUnavailable, Validators
from coverproxy.stats.metrics import Metrics

_log = logging.getLogger(__name__)

_WEIGHT = 0.2
"""Of the latest request in the mean duration."""

Pace = Callable[[str, float, int], Awaitable[float]]
"""Takes a name, a rate per second and a burst; returns 0.0 if one more may pass, else the seconds to wait."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Rate limits of a source. `wait_seconds`: how long a request may wait for its turn."""

    concurrency: int
    per_second: float
    burst: int
    wait_seconds: float


class LimitedSource:
    """A source with limits. `pace` is exact across processes; the rest applies per process."""

    def __init__(
        self,
        source: Source,
        manners: RequestLimits,
        pace: Pace,
        metrics: Metrics,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = source.name
        self._source = source
        self._manners = manners
        self._pace = pace
        self._metrics = metrics
        self._now = now
        self._places = asyncio.Semaphore(manners.concurrency)
        self._waiting = 0
        self._mean = 0.0
        self._is_paced = False
        self._breaker = Breaker()
        self._tell(self._breaker)

    @property
    def state(self) -> BreakerState:
        """The state of the circuit breaker."""
        return self._breaker.state(self._now())

    @property
    def expected_wait(self) -> float:
        """Seconds that one more request will take, with those before it, as recent ones did."""
        for_each = self._mean / self._manners.concurrency
        if self._is_paced:
            for_each = max(for_each, 1 / self._manners.per_second)
        return self._waiting * for_each + self._mean

    async def fetch(
        self, identifier: Identifier, known: Validators | None = None, paused_for: float = 0.0
    ) -> Answer:
        """Fetch, in turn. *paused_for*: seconds that the source demanded from another process.

        Raises SourceUnavailable; at once if the breaker is open.
        """
        if paused_for > 0:
            self._tell(self._breaker.told_to_wait(self._now(), paused_for))
        started = self._now()
        outcome = "cancelled"
        try:
            answer = await self._in_turn(identifier, known)
            outcome = _word(answer)
        except SourceUnavailable as exc:
            outcome = exc.reason
            raise
        finally:
            self._metrics.source_asks.labels(self.name, outcome).inc()
            self._metrics.source_seconds.labels(self.name).observe(self._now() - started)
        return answer

    async def _in_turn(self, identifier: Identifier, known: Validators | None) -> Answer:
        deadline = self._now() + self._manners.wait_seconds
        self._check()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._manners.wait_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise SourceUnavailable("busy", "its limit of concurrent requests is reached") from None
        finally:
            self._waiting -= 1
        try:
            self._check()  # the breaker may have opened while we waited
            await self._keep_pace(deadline)
            self._check()
            return await self._ask(identifier, known)
        finally:
            self._places.release()

    def _check(self) -> None:
        if not self._breaker.admits(self._now()):
            raise SourceUnavailable("open", "it just failed, or asked us to wait")

    async def _keep_pace(self, deadline: float) -> None:
        """Wait for the rate limit. Raises SourceUnavailable if that takes until after *deadline*."""
        self._is_paced = False
        while wait := await self._pace(self.name, self._manners.per_second, self._manners.burst):
            self._is_paced = True
            if self._now() + wait > deadline:
                log.fault(
                    _log, "a source is rate limited", "its rate limit is reached",
                    of=self.name, level=logging.WARNING, source=self.name, for_seconds=round(wait, 1),
                )  # fmt: skip
                raise SourceUnavailable("pace", "its rate limit is reached")
            await asyncio.sleep(wait)

    async def _ask(self, identifier: Identifier, known: Validators | None) -> Answer:
        started = self._now()
        self._tell(self._breaker.asked(started))
        try:
            answer = await self._source.fetch(identifier, known)
        except SourceUnavailable as exc:
            self._note(exc)
            raise
        except Exception as exc:  # breaks the contract; but one source's fault must not end the chain
            _log.exception("a source failed", extra={"source": self.name})
            broken = SourceUnavailable("fault", type(exc).__name__)
            self._note(broken)
            raise broken from exc
        now = self._now()
        self._mean += (now - started - self._mean) * (_WEIGHT if self._mean else 1)
        self._tell(self._breaker.succeeded(now))
        return answer

    def _note(self, exc: SourceUnavailable) -> None:
        now = self._now()
        if exc.retry_after is not None:
            self._tell(self._breaker.told_to_wait(now, exc.retry_after))
        else:
            self._tell(self._breaker.failed(now))

    def _tell(self, breaker: Breaker) -> None:
        """Set the next state; log a change."""
        now = self._now()
        before, after = self._breaker.state(now), breaker.state(now)
        self._breaker = breaker
        number = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}[after]
        self._metrics.source_state.labels(self.name).set(number)
        if BreakerState.OPEN in (before, after) and before is not after:
            _log.warning("a circuit breaker changed", extra={"source": self.name, "is": after.value})

    async def aclose(self) -> None:
        """Close the source."""
        await self._source.aclose()


def _word(answer: Answer) -> str:
    if isinstance(answer, Fetched):
        return "found"
    return "not-there" if isinstance(answer, NotThere) else "unchanged"
