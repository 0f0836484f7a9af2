"""An original brought here from a source, where a book has none: one ask, however many want it."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from coverproxy import log
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.concurrency.single_flight import SingleFlight
from coverproxy.config import AskingConfig as Settings
from coverproxy.domain.errors import Busy, NoCover, Pending, StoreUnavailable, Unavailable
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier, Reading
from coverproxy.imaging.render_pool import RenderPool
from coverproxy.originals.examine import OriginalRefused
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.ingest import Ingestor
from coverproxy.sources.base import Fetched
from coverproxy.sources.breaker import LONGEST_WISH
from coverproxy.sources.chain import Chain, ChainOutcome
from coverproxy.sources.memory import Remembered, SourceMemory
from coverproxy.stats.metrics import Metrics

T = TypeVar("T")

_log = logging.getLogger(__name__)

MOST_ASKED_NAMES = 5
"""Names of one item that the sources are asked by, one after the other."""

_NO_DEADLINE = 86_400.0
"""Whoever waits for an ask has a deadline of his own; the ask is bounded by its sources' time limits."""


class Queue:
    """How many asks may be under way or wait; one account has three of four. A full one refuses at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_held = max(most - most // 4, 1)
        self._held: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, account: str) -> AsyncIterator[None]:
        """Hold a place of *account*. Raises Busy where none is free for it."""
        if self._held.total() >= self._most or self._held[account] >= self._most_held:
            raise Busy("as many books are being asked for as may be")
        self._held[account] += 1
        try:
            yield
        finally:
            self._held[account] -= 1
            self._held += Counter()  # drops the zeros


@dataclass(frozen=True)
class OriginalFetcher:
    """Asks the sources.

    `threads` are for the blocking work of asking: hits have their own. `stripes` lock books, not derivatives,
    and MUST lie in a folder of their own: a book's lock is held for as long as a source takes, and no render
    may wait for that.
    """

    chain: Chain
    recall: SourceMemory
    taker: Ingestor
    stripes: FileLocks
    settings: Settings
    metrics: Metrics
    renders: RenderPool
    guard: DecodeGuard
    threads: ThreadPoolExecutor
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    flights: SingleFlight[None] = field(default_factory=SingleFlight)
    queue: Queue = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "queue", Queue(self.settings.queue))

    async def bring(self, identifier: Identifier, account: str) -> None:
        """See that a book has an original here that may be usable, if any source has one, for *account*.

        Raises NoCover where no source has one, as told now or not long ago; Unavailable where one that may
        have it could not be asked; Busy where as many asks are under way as may be.
        """
        if not self.chain.gates or await self.off_loop(partial(self.taker.has, identifier)):
            return
        ask = partial(self._ask_once, identifier, account)
        await self.flights.join(str(identifier), ask, _NO_DEADLINE, lambda fault: True)

    async def choose(self, reading: Reading, account: str, within: float) -> Identifier:
        """Pick which identifier is meant, where none has an original here: as DerivativeMaker.choose() does.

        Raises what bring() raises, and Pending after *within* seconds: the asks go on.
        """
        if not self.chain.gates:
            raise NoCover("none of what this can mean has a cover, or more than one has")
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
            raise NoCover("none of what this can mean has a cover, or more than one has")
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
        raise silent or NoCover(f"no source has a cover of {identifier}")

    def _names(self, identifier: Identifier) -> tuple[Identifier, ...]:
        """Return the names that sources are asked by: the asked one first."""
        names = self.taker.catalogue.aliases.names(identifier)
        return tuple(dict.fromkeys((identifier, *names)))[:MOST_ASKED_NAMES]

    async def _ask_by(self, identifier: Identifier, account: str) -> None:
        """Ask, unless another process was faster."""
        async with self.queue.place(account), self.stripes.hold(str(identifier)):
            known = await self.off_loop(partial(self._look_again, identifier))
            if known is None:
                return
            if known.is_absent:
                raise NoCover(f"no source has a cover of {identifier}")
            outcome = await self.chain.ask(identifier, partial(self.take, account, identifier), known.paused)
            await self.off_loop(partial(self._remember, identifier, outcome))
        if outcome.found is None and outcome.silent:
            raise Unavailable(f"could not be asked: {', '.join(outcome.silent)}")
        if outcome.found is None:
            raise NoCover(f"no source has a cover of {identifier}")

    def _look_again(self, identifier: Identifier) -> Remembered | None:
        """Return what is remembered, or None where another process has brought it meanwhile."""
        return None if self.taker.has(identifier) else self.remembered(identifier)

    def remembered(self, identifier: Identifier) -> Remembered:
        """Return what is remembered of a book and of all sources. Blocks."""
        try:
            return self.recall.look(identifier, self.now())
        except StoreUnavailable as exc:  # asked once too often is better than not at all
            log.fault(_log, "what is remembered of sources cannot be read", exc)
            return Remembered(False, {})

    async def take(self, account: str, identifier: Identifier, source: str, got: Fetched) -> Original | None:
        """Take in what a source gave, in *account*'s turn; None: it is not a cover. Raises Unavailable."""
        taker = self.taker
        try:
            sketch = await self.off_loop(partial(taker.sketch, identifier, source, got))
            original = await self.examine(account, sketch, got.body, must=True)  # the asks are bounded
            return await self.off_loop(partial(taker.enter, original, got))
        except OriginalRefused as exc:
            self.metrics.source_refused.labels(source, exc.reason).inc()
            about = {"source": source, "of": str(identifier), "why": str(exc)}
            _log.info("what a source gave is not kept", extra=about)
            return None

    async def examine(self, account: str, sketch: Original, body: bytes, *, must: bool = False) -> Original:
        """Measure and decode what came, in *account*'s turn. Raises OriginalRefused, Unavailable, Busy."""
        async with self.renders.place(account, must=must) as place:
            return await self.guard.decode(place, sketch, partial(self.taker.examine, sketch, body))

    def _remember(self, identifier: Identifier, outcome: ChainOutcome[Original]) -> None:
        """Remember what none has, and who wishes to be left alone; never that one could not be asked."""
        now, settings = self.now(), self.settings
        for source, wait in outcome.waits.items():
            self.note_wait(source, wait)
        try:
            if outcome.found is None and not outcome.silent:
                # not all at once: a list of books that was asked for together would be again
                jitter = 1 + settings.absent_jitter * (2 * self.chance() - 1)
                self.recall.note_absent(identifier, now + settings.absent_seconds * jitter, now)
        except StoreUnavailable as exc:
            log.fault(_log, "what sources said cannot be remembered", exc)

    def note_wait(self, source: str, wait: float) -> None:
        """Have every process leave a source alone for as long as it wished, a day at most. Blocks."""
        try:
            self.recall.pause(source, self.now() + min(wait, LONGEST_WISH))
        except StoreUnavailable as exc:
            log.fault(_log, "what sources said cannot be remembered", exc)

    async def off_loop(self, work: Callable[[], T]) -> T:
        """Do blocking work in one hop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    def states(self) -> dict[str, str]:
        """Say of each source whether it is asked: "closed", "half-open" or "open"."""
        return {gate.name: gate.state.value for gate in self.chain.gates}
