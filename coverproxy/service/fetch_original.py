"""Fetches an original from a source for a book that has none: one fetch, however many clients want it."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from coverproxy import log
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.concurrency.single_flight import SingleFlight
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.config import AskingConfig as Settings
from coverproxy.domain.breaker import LONGEST_WISH
from coverproxy.domain.errors import Busy, NoCover, Pending, StoreUnavailable, Unavailable
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier, Reading
from coverproxy.imaging.render_pool import RenderPool
from coverproxy.originals.base import Catalogue
from coverproxy.originals.examine import OriginalRefused
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.ingest import Ingestor
from coverproxy.sources.base import Fetched
from coverproxy.sources.chain import Chain, ChainOutcome
from coverproxy.sources.memory import Remembered, SourceMemory
from coverproxy.stats.metrics import Metrics

T = TypeVar("T")

_log = logging.getLogger(__name__)

MOST_ASKED_NAMES = 5
"""Most names of one item by which sources are asked, one after the other."""

_NO_DEADLINE = 86_400.0
"""Each waiter has its own deadline; a fetch is bounded by its sources' time limits."""


class Queue:
    """Limits the fetches in progress and waiting; an account gets three quarters at most.

    Refuses at once when full.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_held = max(most - most // 4, 1)
        self._held: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, account: str) -> AsyncIterator[None]:
        """Hold a place of *account*. Raises Busy if none is free for it."""
        if self._held.total() >= self._most or self._held[account] >= self._most_held:
            raise Busy("the fetch queue is full")
        self._held[account] += 1
        try:
            yield
        finally:
            self._held[account] -= 1
            self._held += Counter()  # drops zeros


class OriginalFetcher:
    """Fetches originals from the sources.

    `threads` do the blocking work of fetches; hits have their own. `stripes` lock books, not derivatives, and
    MUST be in a folder of their own: a book's lock is held while sources are asked, and no render may wait
    for that.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        chain: Chain,
        recall: SourceMemory,
        ingestor: Ingestor,
        stripes: FileLocks,
        settings: Settings,
        metrics: Metrics,
        renders: RenderPool,
        guard: DecodeGuard,
        threads: WorkerThreads,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._catalogue = catalogue
        self._chain = chain
        self._recall = recall
        self._ingestor = ingestor
        self._stripes = stripes
        self._settings = settings
        self._metrics = metrics
        self._renders = renders
        self._guard = guard
        self._threads = threads
        self._now = now
        self._chance = chance
        self._flights: SingleFlight[None] = SingleFlight()
        self._queue = Queue(settings.queue)

    @property
    def has_sources(self) -> bool:
        """Whether any source is configured."""
        return bool(self._chain.gates)

    @property
    def expected_wait(self) -> float:
        """Seconds until the sources answer for one more book, as their queues say."""
        return self._chain.expected_wait

    async def bring(self, identifier: Identifier, account: str) -> None:
        """Make sure that a book has a usable original here if any source has one, on behalf of *account*.

        Raises NoCover if no source has one, now or according to memory; Unavailable if a source that may have
        it is unavailable; Busy if the fetch queue is full.
        """
        if not self.has_sources or await self.off_loop(partial(self._ingestor.has, identifier)):
            return
        ask = partial(self._ask_once, identifier, account)
        await self._flights.join(str(identifier), ask, _NO_DEADLINE, lambda fault: True)

    async def choose(self, reading: Reading, account: str, within: float) -> Identifier:
        """Pick the identifier that is meant if none has an original here, like DerivativeMaker.choose().

        Raises what bring() raises, and Pending after *within* seconds: the fetches go on.
        """
        if not self.has_sources:
            raise NoCover("no reading of this has a cover, or several have")
        covered: list[Identifier] = []
        try:
            async with asyncio.timeout(within):
                for identifier in reading.identifiers:
                    if (reading.only_one or not covered) and await self._has(identifier, account):
                        covered.append(identifier)
        except TimeoutError:
            raise Pending("the sources are being asked") from None
        picked = reading.pick(covered)
        if picked is None:
            raise NoCover("no reading of this has a cover, or several have")
        return picked

    async def _has(self, identifier: Identifier, account: str) -> bool:
        try:
            await self.bring(identifier, account)
        except NoCover:
            return False
        return True

    async def _ask_once(self, identifier: Identifier, account: str) -> None:
        """Ask by each of the item's names until one is known; runs as one flight per book."""
        silent: Unavailable | None = None
        for name in await self.off_loop(partial(self._names, identifier)):
            try:
                return await self._ask_by(name, account)
            except NoCover:
                continue
            except Unavailable as exc:
                silent = exc
        raise silent or NoCover(f"no source has a cover for {identifier}")

    def _names(self, identifier: Identifier) -> tuple[Identifier, ...]:
        """Return the names to ask sources by, the requested one first."""
        names = self._catalogue.aliases.names(identifier)
        return tuple(dict.fromkeys((identifier, *names)))[:MOST_ASKED_NAMES]

    async def _ask_by(self, identifier: Identifier, account: str) -> None:
        """Ask, unless another process was faster."""
        async with self._queue.place(account), self._stripes.hold(str(identifier)):
            known = await self.off_loop(partial(self._look_again, identifier))
            if known is None:
                return
            if known.is_absent:
                raise NoCover(f"no source has a cover for {identifier}")
            outcome = await self._chain.ask(identifier, partial(self.take, account, identifier), known.paused)
            await self.off_loop(partial(self._remember, identifier, outcome))
        if outcome.found is None and outcome.silent:
            raise Unavailable(f"unavailable: {', '.join(outcome.silent)}")
        if outcome.found is None:
            raise NoCover(f"no source has a cover for {identifier}")

    def _look_again(self, identifier: Identifier) -> Remembered | None:
        """Return what is remembered, or None if another process has fetched it meanwhile."""
        return None if self._ingestor.has(identifier) else self.remembered(identifier)

    def remembered(self, identifier: Identifier) -> Remembered:
        """Return what is remembered about a book and all sources. Blocks."""
        try:
            return self._recall.look(identifier, self._now())
        except StoreUnavailable as exc:  # better one request too many than none
            log.fault(_log, "the memory of sources cannot be read", exc)
            return Remembered(False, {})

    async def take(self, account: str, identifier: Identifier, source: str, got: Fetched) -> Original | None:
        """Ingest what a source returned, in *account*'s turn; None: it is not a cover. Raises Unavailable."""
        try:
            sketch = await self.off_loop(partial(self._ingestor.sketch, identifier, source, got))
            original = await self.examine(account, sketch, got.body, must=True)  # fetches are bounded
            return await self.off_loop(partial(self._ingestor.enter, original, got))
        except OriginalRefused as exc:
            self._metrics.source_refused.labels(source, exc.reason).inc()
            about = {"source": source, "of": str(identifier), "why": str(exc)}
            _log.info("a picture from a source is refused", extra=about)
            return None

    async def examine(self, account: str, sketch: Original, body: bytes, *, must: bool = False) -> Original:
        """Measure and decode a body, in *account*'s turn. Raises OriginalRefused, Unavailable, Busy."""
        async with self._renders.place(account, must=must) as place:
            return await self._guard.decode(place, sketch, partial(self._ingestor.examine, sketch, body))

    def _remember(self, identifier: Identifier, outcome: ChainOutcome[Original]) -> None:
        """Remember that no source has it, and which asked us to wait; but not that one was unavailable."""
        now, settings = self._now(), self._settings
        for source, wait in outcome.waits.items():
            self.note_wait(source, wait)
        try:
            if outcome.found is None and not outcome.silent:
                # not all at the same time: books requested together would expire together
                jitter = 1 + settings.absent_jitter * (2 * self._chance() - 1)
                self._recall.note_absent(identifier, now + settings.absent_seconds * jitter, now)
        except StoreUnavailable as exc:
            log.fault(_log, "the memory of sources cannot be written", exc)

    def note_wait(self, source: str, wait: float) -> None:
        """Have every process leave a source alone for *wait* seconds, at most a day. Blocks."""
        try:
            self._recall.pause(source, self._now() + min(wait, LONGEST_WISH))
        except StoreUnavailable as exc:
            log.fault(_log, "the memory of sources cannot be written", exc)

    async def close(self, within: float) -> None:
        """Finish fetches in progress, within so many seconds."""
        await self._flights.land(within)

    async def off_loop(self, work: Callable[[], T]) -> T:
        """Do blocking work in one hop."""
        return await self._threads.run(work)

    def states(self) -> dict[str, str]:
        """Return the circuit breaker's state by source: "closed", "half-open" or "open"."""
        return {gate.name: gate.state.value for gate in self._chain.gates}
