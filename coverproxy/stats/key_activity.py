"""The activity of a process: ISBNs without a cover, and refusals, written once a second."""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from coverproxy.domain.errors import Unavailable
from coverproxy.stats.base import MOST_REFUSALS, ActivityStore, RefusalRow
from coverproxy.stats.write_behind import written_every

MOST_WAITING = 10_000
"""Most ISBNs that wait for the next write; further ones are dropped."""

MOST_TROUBLED = 500
"""Most accounts whose refusals wait for the next write; the latest of each are kept."""

MOST_DETAIL = 160
"""Characters of a refusal's detail that are kept."""

_EVERY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class KeyActivity:
    """Records for the owners of keys. Noting only counts in memory: no answer waits for it."""

    def __init__(self, notes: ActivityStore, now: Callable[[], float] = time.time) -> None:
        self._notes = notes
        self._now = now
        self._lacking: Counter[tuple[str, str]] = Counter()
        self._titles: dict[tuple[str, str], str] = {}
        self._refused: dict[str, deque[RefusalRow]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._writing = asyncio.Lock()

    def note_lacking(self, account: str, isbn: str, title: str = "") -> None:
        """Count a request for an item without a cover; *title*: what the request called it."""
        if (account, isbn) in self._lacking or len(self._lacking) < MOST_WAITING:
            self._lacking[account, isbn] += 1
            if title:
                self._titles[account, isbn] = title[:MOST_DETAIL]

    def note_refusal(self, account: str, label: str, detail: str) -> None:
        """Record a refusal; *detail* may contain client input."""
        if account not in self._refused and len(self._refused) >= MOST_TROUBLED:
            return
        latest = self._refused.setdefault(account, deque(maxlen=MOST_REFUSALS))
        self._counts[account, label] += 1
        latest.append(RefusalRow(account, int(self._now()), label, detail[:MOST_DETAIL]))

    async def write(self) -> None:
        """Write what accumulated. Raises Unavailable; the ISBNs are then kept for the next time."""
        async with self._writing:
            if not self._lacking and not self._refused:
                return
            lacking, refused = self._lacking, [each for latest in self._refused.values() for each in latest]
            counts, titles = self._counts, self._titles
            self._lacking, self._refused, self._counts, self._titles = Counter(), {}, Counter(), {}
            try:
                await asyncio.to_thread(self._notes.add, lacking, refused, int(self._now()), counts, titles)
            except Unavailable:
                lacking.update(self._lacking)  # drop the refusals: there will be others
                self._lacking, self._titles = lacking, titles | self._titles
                raise

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Write once a second, and the rest at the end."""
        async with written_every(_EVERY_SECONDS, self.write, _log, "activity cannot be written"):
            yield
