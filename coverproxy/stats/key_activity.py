"""The ledger of a process: which ISBNs had no cover and what was refused, noted once a second."""

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from coverproxy import log
from coverproxy.concurrency.background import beside
from coverproxy.domain.errors import Unavailable
from coverproxy.stats.base import MOST_REFUSALS, ActivityStore, RefusalRow

MOST_WAITING = 10_000
"""ISBNs that wait for the next writing; others that come on top are not noted."""

MOST_TROUBLED = 500
"""Accounts of which refusals wait for the next writing; of each the latest are kept."""

MOST_DETAIL = 160
"""Characters of a refusal's detail that are kept."""

_EVERY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class KeyActivity:
    """What answers leave behind for the owners of keys. Noting counts in memory: no answer waits for it."""

    def __init__(self, notes: ActivityStore, now: Callable[[], float] = time.time) -> None:
        self._notes = notes
        self._now = now
        self._lacking: Counter[tuple[str, str]] = Counter()
        self._refused: dict[str, deque[RefusalRow]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._writing = asyncio.Lock()

    def note_lacking(self, account: str, isbn: str) -> None:
        """Count that an ISBN-13 was asked for and has no cover."""
        if (account, isbn) in self._lacking or len(self._lacking) < MOST_WAITING:
            self._lacking[account, isbn] += 1

    def note_refusal(self, account: str, label: str, detail: str) -> None:
        """Note that something was refused; *detail* may hold what a client sent."""
        if account not in self._refused and len(self._refused) >= MOST_TROUBLED:
            return
        latest = self._refused.setdefault(account, deque(maxlen=MOST_REFUSALS))
        self._counts[account, label] += 1
        latest.append(RefusalRow(account, int(self._now()), label, detail[:MOST_DETAIL]))

    async def write(self) -> None:
        """Write down what came together. Raises Unavailable; the ISBNs then wait for the next time."""
        async with self._writing:
            if not self._lacking and not self._refused:
                return
            lacking, refused = self._lacking, [each for latest in self._refused.values() for each in latest]
            counts = self._counts
            self._lacking, self._refused, self._counts = Counter(), {}, Counter()
            try:
                await asyncio.to_thread(self._notes.add, lacking, refused, int(self._now()), counts)
            except Unavailable:
                lacking.update(self._lacking)  # the refusals are let go: there will be others
                self._lacking = lacking
                raise

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.write()
            except Unavailable as exc:
                log.fault(_log, "notes cannot be written", exc)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Write once a second, and what is left at the end."""
        try:
            async with beside(self._keep()):
                yield
        finally:
            with contextlib.suppress(Unavailable):
                await self.write()
