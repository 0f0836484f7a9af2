"""The accounts: which keys exist, what each may do, and how many covers it has made today."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from functools import partial
from math import inf
from zoneinfo import ZoneInfo

from coverproxy import log
from coverproxy.accounts.charge import Charge, Refused
from coverproxy.accounts.link_keeper import LinkKeeper
from coverproxy.accounts.nginx_links import KeyLinks
from coverproxy.accounts.pace import RolePaces
from coverproxy.accounts.quota_day import QuotaDay
from coverproxy.accounts.shared_quota import SharedQuota
from coverproxy.accounts.stores import KeyStore, QuotaStore, RateLimiter
from coverproxy.accounts.validity import Validity
from coverproxy.accounts.visitor import Allowance, Visitor
from coverproxy.config import Automated, Quota, Roles
from coverproxy.domain.api_key import Key, is_name, is_secret
from coverproxy.domain.errors import KeyNotForSite, QuotaUsedUp, SecretAsKey, Unavailable, UnknownKey

_log = logging.getLogger(__name__)

HISTORY_DAYS = 30
_MAX_TRACKED = 10_000
_NO_LIMIT = 2**62
_COUNT_PAUSE_SECONDS = 1.0
"""Pause after the store failed to say what a key has made, so that hits do not each wait for it."""

_PAUSE_SECONDS = 0.05
"""Unknown keys trigger a look at the store at most this often, however many are tried."""


class Accounts:
    """The keys in memory, refreshed from the store every second, and their counts.

    A hit reads memory only, except a key's first in this process: that one waits for the store, at most
    `answer_within` seconds. `workers`: number of processes that share the rest of a quota while the store
    cannot be written. `now` returns seconds since 1970.
    """

    def __init__(
        self,
        keys: KeyStore,
        counts: QuotaStore,
        rates: RateLimiter,
        links: KeyLinks,
        quota: Quota,
        automated: Automated,
        now: Callable[[], float] = time.time,
        *,
        answer_within: float = 5.0,
        workers: int | None = 1,
        valid_seconds: float = inf,
        roles: Roles | None = None,
    ) -> None:
        self.store = keys
        self.counts = counts
        self.rates = rates
        self.shared = SharedQuota(rates, now)
        self._links = LinkKeeper(links, now)
        self._day = QuotaDay(ZoneInfo(quota.time_zone), now)
        self._paces = RolePaces(rates, automated, roles or Roles(), now)
        self._counts_items = quota.per == "item"
        self.now = now
        self._keys: dict[str, Key] = {}
        self._version = -1
        self._looked_at = float("-inf")
        self._made: dict[tuple[str, date], int] = {}
        self._looking = asyncio.Lock()
        self._linking = asyncio.Lock()  # or a repair by older keys takes away the link of a new one
        self._owed: Counter[tuple[str, date]] = Counter()
        self._answer_within = answer_within
        self._workers = workers
        self._validity = Validity(valid_seconds)
        self._news = asyncio.Event()
        self._count_again_at = float("-inf")

    async def open(self) -> None:
        """Load the keys, and bring the key links in line."""
        await self.refresh()
        await self._links.repair(self.all())

    async def refresh(self) -> None:
        """Check whether keys changed, and what other processes made with the keys seen here."""
        async with self._looking:
            await self._look()
        await self._pay()  # last, and outside the lock: it writes, which may block

    async def _look(self) -> None:
        """MUST hold _looking: two looks at once could replace newer keys by older ones."""
        self._looked_at = time.monotonic()
        version = await self.store.version()
        self._validity.renew()
        if version != self._version:
            keys = await self.store.keys()
            if await self._links.look(keys):  # else those known stay in use, and this is read again
                self._keys = {key.name: key for key in keys}
                self._version = version
            self._links.change()
        await self._recount()

    async def _look_for_news(self) -> None:
        """Look once more on behalf of all waiters: another process may have just made the key."""
        asked_at = time.monotonic()
        async with self._looking:
            if self._looked_at < asked_at:
                await asyncio.sleep(self._looked_at + _PAUSE_SECONDS - asked_at)
                await self._look()

    async def _recount(self) -> None:
        """Read today's counts of the keys seen; drop those of other days, and all if there are too many."""
        today = self.today()
        seen = list(dict.fromkeys(name for name, _ in self._made))[:_MAX_TRACKED]
        counts = await self.counts.made(seen, today) if seen else {}
        self._made = {(name, today): counts.get(name, 0) + self._owed[name, today] for name in seen}

    async def look_after(self) -> None:
        """Refresh, then repair the key links when keys change or expire, and periodically.

        Every change of a key sets its link. But another process may be repairing links from a slightly older
        list of keys, or someone may have deleted the whole cache.
        """
        await self.refresh()
        if self._links.is_due:
            async with self._linking:
                await self._links.repair(self.all())

    async def keep_fresh(self, every: float = 1.0) -> None:
        """Refresh forever. A failing store is retried; until then the known state stays in use."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._news.wait()
            self._news.clear()
            try:
                await self.look_after()
            except Exception as exc:  # any store's errors: the loop must outlive them
                log.fault(_log, "keys cannot be read", exc)
                await self._close_if_over()

    def wake(self) -> None:
        """Refresh now: a key changed elsewhere."""
        self._news.set()

    async def _close_if_over(self) -> None:
        """Take all key links away where keys were not read for too long: a web server must not use them."""
        if self._validity.is_over:
            await self._links.close()

    async def check(self) -> str:
        """Return the fault of the keys: their store cannot be read, or was lost; "" if there are none."""
        try:
            await self._in_time(self._ask_version())
        except Unavailable as exc:
            return str(exc)
        return self._links.fault

    async def _ask_version(self) -> None:
        await self.store.version()

    async def authorize(self, name: str, host: str | None) -> Key:
        """Return the key if it may be used on *host* (None: the request names no site).

        Raises UnknownKey (SecretAsKey), KeyNotForSite; Unavailable if the store does not answer in time.
        """
        self._validity.check()
        key = self._keys.get(name)
        if key is None and is_name(name):
            await self._in_time(self._look_for_news())
            key = self._keys.get(name)
        if key is None:
            raise self._unknown(name)
        if not key.is_active(self.now()):
            raise UnknownKey("no such key")
        if not key.admits(host):
            raise KeyNotForSite("this key is bound to other sites", key.counted_as)
        if self.counted_today(key) is None and time.monotonic() >= self._count_again_at:
            try:
                await self._in_time(self._count_of(key.counted_as))
            except Unavailable as exc:  # a hit needs no quota, so serve it with the count unknown
                self._count_again_at = time.monotonic() + _COUNT_PAUSE_SECONDS
                log.fault(_log, "the quota used by a key cannot be read", exc)
        return key

    async def _in_time(self, look: Awaitable[None]) -> None:
        """Run a lookup that a client waits for. Raises Unavailable."""
        try:
            async with asyncio.timeout(self._answer_within):
                await look
        except TimeoutError:
            raise Unavailable("the store of keys does not answer") from None

    async def known(self, name: str) -> Key:
        """Return a key in any state, for its management. Raises UnknownKey (SecretAsKey)."""
        if name not in self._keys and is_name(name):
            await self._look_for_news()
        if name not in self._keys:
            raise self._unknown(name)
        return self._keys[name]

    async def _count_of(self, name: str) -> None:
        today = self.today()
        counts = await self.counts.made([name], today)
        self._made.setdefault((name, today), counts.get(name, 0))

    @asynccontextmanager
    async def charged(self, visitor: Visitor, item: str = "") -> AsyncIterator[Charge]:
        """Count one cover while it is made; uncount it if making fails for any reason, or it is waived.

        *item*: the book that it is of, which counts once a day where the config has quota.per = "item".
        A crash in between leaves one count too many, never one too few. The block MUST take the charge, in a
        thread or on the event loop, before it makes anything, unless that must be first: then it is taken.
        Raises TooFast, QuotaUsedUp.
        """
        key, account, today = visitor.key, visitor.key.counted_as, self.today()
        item = item if self._counts_items else ""
        await self._paces.take(visitor)
        await self.shared.take(key, visitor.address)
        charge = self._charge(key, today, item)
        try:
            if charge.must_be_first:
                await charge.settle()
                self._note_made(account, today, charge)
            yield charge
        except BaseException as exc:
            if charge.count is not None:
                await self._give_back(account, today, item)
            await self._give_back_pace(visitor)
            if isinstance(exc, Refused):
                self._made[account, today] = max(key.daily_limit, self._made.get((account, today), 0))
                raise QuotaUsedUp(account, self.allowance(key).resets_in) from None
            raise
        self._note_made(account, today, charge)
        if charge.is_waived:
            await self._give_back(account, today, item)

    def _charge(self, key: Key, today: date, item: str) -> Charge:
        store, account = self.counts.now, key.counted_as
        now = partial(store.take, account, today, key.daily_limit, item) if store else None
        return Charge(now, partial(self._take, key, today, item))

    def _note_made(self, account: str, today: date, charge: Charge) -> None:
        if charge.count is not None:
            self._made[account, today] = charge.count

    async def _take(self, key: Key, today: date, item: str) -> int | None:
        """Take one from the quota. If the store cannot be written, remember it and count it later.

        Meanwhile each process has an equal share of the remaining quota, so that all together stay within it.
        """
        try:
            return await self.counts.take(key.counted_as, today, key.daily_limit, item)
        except Unavailable as exc:
            if self._workers is None:
                raise
            made, owed = self._made.get((key.counted_as, today), 0), self._owed[key.counted_as, today]
            if owed >= (key.daily_limit - (made - owed)) // self._workers:
                return None
            self._owed[key.counted_as, today] += 1
            log.fault(_log, "a cover cannot be counted yet", exc, owed=self._owed.total())
            return made + 1

    async def _give_back(self, account: str, today: date, item: str) -> None:
        if self._owed[account, today] > 0:
            self._owed[account, today] -= 1
            self._made[account, today] -= 1
            return
        with contextlib.suppress(Unavailable):  # errs by counting one too many
            self._made[account, today] = await self.counts.give_back(account, today, item)

    async def _pay(self) -> None:
        """Count in the store what could not be counted at the time."""
        for (name, day), owed in list((+self._owed).items()):
            for _ in range(owed):
                await self.counts.take(name, day, _NO_LIMIT)
                self._owed[name, day] -= 1

    async def _give_back_pace(self, visitor: Visitor) -> None:
        await self.shared.give_back(visitor.key, visitor.address)
        await self._paces.give_back(visitor)

    def open_key(self, name: str) -> Key | None:
        """Return the key if it may now be used from any site, from memory alone."""
        key = self._keys.get(name)
        is_open = key is not None and key.is_open(self.now()) and not self._validity.is_over
        return key if is_open else None

    def account_of(self, name: str) -> str | None:
        """Return what a key in any state is counted as, from memory; None if it is unknown."""
        key = self._keys.get(name)
        return key.counted_as if key else None

    def today(self) -> date:
        """The current day in the quota's time zone."""
        return self._day.today()

    def counted_today(self, key: Key) -> int | None:
        """Return how many covers a key has made today, from memory; None if that is not known."""
        return self._made.get((key.counted_as, self.today()))

    def made_today(self, key: Key) -> int:
        """Return the same, 0 if it is not known."""
        return self.counted_today(key) or 0

    def allowance(self, key: Key) -> Allowance:
        """Return what a key has left today, from memory: other processes' covers show up within a second."""
        midnight, left = self._day.end()
        return Allowance(key.daily_limit, self.made_today(key), midnight, left)

    async def usage(self, key: Key) -> dict[date, int]:
        """Return a key's covers on each of the last 30 days, today last; also refreshes today's count."""
        today = self.today()
        days = [today - timedelta(days=back) for back in range(HISTORY_DAYS - 1, -1, -1)]
        counts = await self.counts.history(key.counted_as, days[0])
        counts[today] = counts.get(today, 0) + self._owed[key.counted_as, today]
        self._made[key.counted_as, today] = counts[today]
        return {day: counts.get(day, 0) for day in days}

    def all(self) -> list[Key]:
        """Return every key, as last seen."""
        return list(self._keys.values())

    async def save(self, key: Key) -> None:
        """Write a key and update its link; every process sees it within a second.

        Raises Unavailable if the keys are lost: with one key in the store, the links of all others would go.
        """
        await self._links.refuse_if_lost()
        async with self._linking:
            await self.store.save(key)
            await self._links.keep(key)
            await self.refresh()

    def _unknown(self, name: str) -> UnknownKey | Unavailable:
        """Return the error for a name that is not among the keys read."""
        if is_secret(name):
            return SecretAsKey()
        is_lost = self._links.lost and is_name(name)
        return Unavailable("the keys are lost") if is_lost else UnknownKey("no such key")
