"""The service's history: what it answered per minute and hour, sampled by one process of a machine."""

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from coverproxy import log
from coverproxy.concurrency.background import beside
from coverproxy.concurrency.file_locks import ProcessLock
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.domain.errors import Unavailable
from coverproxy.stats.base import HistoryStore, Sample
from coverproxy.stats.metrics import Metrics

MINUTE, HOUR, DAY = 60, 3600, 86_400

KEPT = ((MINUTE, DAY + HOUR), (HOUR, 31 * DAY))
"""Steps in seconds, and how long samples of each are kept: some 1,500 and 750 rows."""

TEN_MINUTES = 10 * MINUTE
"""The steps in which the last day is shown."""

FAILING = 0.01
"""The share of answers that fail, from which a stretch is an incident."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Summary:
    """The sums of a stretch of time. Times in milliseconds; None if nothing was answered."""

    at: int
    answers: int
    hits: int
    made: int
    missing: int
    refused: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None

    @property
    def hit_rate(self) -> float | None:
        """The share of served covers that were cached; None if no covers were served."""
        covers = self.hits + self.made
        return self.hits / covers if covers else None


def summed(samples: Iterable[Sample], at: int = 0) -> Summary:
    """Sum up samples."""
    answers: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for sample in samples:
        answers.update(sample.answers)
        seconds.update(sample.seconds)
    return Summary(
        at=at, answers=answers.total(), hits=answers[CoverStatus.HIT],
        made=answers[CoverStatus.MADE],
        missing=answers[CoverStatus.MISSING] + answers[CoverStatus.EDITION],
        refused=sum(answers[each] for each in CoverStatus if each.is_refusal),
        failed=sum(answers[each] for each in CoverStatus if each.is_failure),
        p50_ms=quantile(seconds, 0.5), p99_ms=quantile(seconds, 0.99),
    )  # fmt: skip


def quantile(seconds: Mapping[str, int], part: float) -> float | None:
    """Return the time in ms within which *part* (0 to 1) was answered, from counts by upper bound.

    Interpolates linearly between bounds; beyond the last one returns that bound, since a histogram knows no
    more. None if nothing was counted.
    """
    bounds = sorted((float(bound), count) for bound, count in seconds.items())
    wanted = part * sum(count for _, count in bounds)
    below, passed = 0.0, 0
    for bound, count in bounds:
        if count and passed + count >= wanted:
            if bound == float("inf"):
                return below * 1000
            return (below + (bound - below) * (wanted - passed) / count) * 1000
        below, passed = (bound, passed + count) if bound != float("inf") else (below, passed + count)
    return None


def gained(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return the increase of counters. One that fell was reset meanwhile: its whole value is the increase."""
    risen = {name: count - before.get(name, 0) for name, count in now.items()}
    gains = {name: gain if gain >= 0 else now[name] for name, gain in risen.items()}
    return {name: gain for name, gain in gains.items() if gain}


def apart(cumulative: Mapping[str, int]) -> dict[str, int]:
    """Turn cumulative counts into counts per bucket."""
    counts: dict[str, int] = {}
    passed = 0
    for bound, count in sorted(cumulative.items(), key=lambda item: float(item[0])):
        counts[bound] = count - passed
        passed = count
    return counts


def steps(samples: Sequence[Sample], step: int, since: int, until: int) -> list[Summary]:
    """Sum up every stretch of *step* seconds from *since* to *until*, including empty ones."""
    found: dict[int, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.at - sample.at % step, []).append(sample)
    first = since - since % step
    return [summed(found.get(at, ()), at) for at in range(first, until, step)]


@dataclass(frozen=True, slots=True)
class Incident:
    """A stretch in which answers failed: begin and end in seconds since 1970, how many of how many."""

    begins: int
    ends: int
    failed: int
    answers: int


def incidents(steps: Sequence[Summary], step: int) -> list[Incident]:
    """Return the stretches in which at least one answer of a hundred failed, oldest first.

    *step*: seconds of each of *steps*, which follow each other.
    """
    found: list[Incident] = []
    for each in steps:
        if not each.failed or each.failed < FAILING * each.answers:
            continue
        last = found[-1] if found and found[-1].ends == each.at else None
        if last:
            found[-1] = Incident(
                last.begins, each.at + step, last.failed + each.failed, last.answers + each.answers
            )
        else:
            found.append(Incident(each.at, each.at + step, each.failed, each.answers))
    return found


class Historian:
    """Samples the metrics once a minute, in the process of the machine that holds the lock.

    *hourly*: called by that process once an hour, with the time in seconds since 1970.
    """

    def __init__(
        self,
        notes: HistoryStore,
        metrics: Metrics,
        lock: Path,
        now: Callable[[], float] = time.time,
        hourly: Callable[[int], None] = lambda now: None,
    ) -> None:
        self._notes = notes
        self._metrics = metrics
        self._lock = ProcessLock(lock)
        self.now = now
        self._hourly = hourly
        self._sampling = threading.Lock()
        self._before: tuple[Mapping[str, int], Mapping[str, int]] | None = None

    def sample(self) -> bool:
        """Store what was answered since the last call; return whether this process is the one. Blocks.

        Raises Unavailable, OSError.
        """
        with self._sampling:  # the final sample may come while the previous one is being written
            return self._lock.is_ours() and self._sample()

    def _sample(self) -> bool:
        now = self.now()
        answers, cumulative = self._metrics.answered()
        seconds = apart(cumulative)
        # A process that takes over from a dead one does not know what that one had counted.
        before = self._before or (answers, seconds)
        sample = Sample(int(now), gained(answers, before[0]), gained(seconds, before[1]))
        self._notes.sample(KEPT, sample)
        self._before = answers, seconds
        if int(now) // HOUR != int(now - MINUTE) // HOUR:
            self._hourly(int(now))
        return True

    def day(self) -> list[Summary]:
        """Return the last 24 hours in stretches of ten minutes, oldest first. Blocks."""
        now = int(self.now())
        return steps(self._notes.samples(MINUTE, now - DAY), TEN_MINUTES, now - DAY + TEN_MINUTES, now + 1)

    def last_day(self) -> Summary:
        """Return the sum of the last 24 hours. Blocks."""
        since = int(self.now()) - DAY
        return summed(self._notes.samples(MINUTE, since), since)

    def month(self) -> list[Summary]:
        """Return the last 30 days, oldest first. Blocks."""
        now = int(self.now())
        return steps(self._notes.samples(HOUR, now - 30 * DAY), DAY, now - 29 * DAY, now + 1)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Sample at every full minute, and once more at the end."""
        try:
            async with beside(self._keep()):
                yield
        finally:
            with contextlib.suppress(Unavailable, OSError):
                await asyncio.to_thread(self.sample)
            self._lock.close()

    async def _keep(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.sample)
            except (Unavailable, OSError) as exc:
                log.fault(_log, "the history cannot be written", exc)
            await asyncio.sleep(MINUTE - self.now() % MINUTE)
