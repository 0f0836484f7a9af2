"""The render queue: how many covers are made at once, how many may wait, and who is next."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.domain.errors import Busy
from coverproxy.imaging.render_load import LEAST_AHEAD, RenderLoad

S = TypeVar("S")
T = TypeVar("T")

INTERNAL = ""
"""The account of work without a key: previews, and background fetches."""


class RenderPlace:
    """A place in the render queue. Nothing runs on the render threads without one."""

    def __init__(self, threads: WorkerThreads) -> None:
        self._threads = threads

    async def run(self, work: Callable[[], T]) -> T:
        """Run *work* on a render thread."""
        return await self._threads.run(work)

    async def run_after(self, before: Callable[[], S], threads: WorkerThreads, work: Callable[[S], T]) -> T:
        """Run *before* on one of *threads*, and *work* with what it returns on a render thread.

        Without a step on the event loop in between. An exception of either is raised.
        """
        return await threads.run_then(before, self._threads, work)


class _Waiter:
    """A waiter for a turn: since when, and in the queues of which accounts."""

    def __init__(self, name: str, since: float) -> None:
        self.name = name
        self.since = since
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.accounts: set[str] = set()


class RenderPool:
    """The render threads, and the waiters for them.

    Turns go round by account: an account that asks for hundreds of covers gets as many turns as one that asks
    for a single one. Within an account the first waiter is next, since a page shows its covers from the top.
    Once a waiter has waited for half of *patience* (seconds), and the queue takes longer than all of it, the
    last one is next. Under overload, first come first served makes each cover just after its clients gave up:
    at three times what two workers could make, only a fifth got a cover. In a short queue it makes nobody too
    late, while last come first served would leave the first ones waiting as long as others come. Waiters past
    their *patience*, or whose covers would be made after it, lose their places first.

    An account holds three quarters of the places at most. If all places are taken, an account with more than
    the newcomer's gives one up.

    Under lasting overload there are only as many places as can be served within *patience*, which see:
    whoever would wait longer is refused at once, and so costs little; those who wait get their cover.
    """

    def __init__(
        self, threads: int, waiting: int, patience: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._threads = WorkerThreads(threads, "render")
        self._place = RenderPlace(self._threads)
        self._load = RenderLoad(threads + LEAST_AHEAD, threads + waiting, patience)
        self._at_once = threads
        self._turns = 0  # that are taken
        self._patience = patience
        self._now = now
        self._queues: dict[str, dict[_Waiter, None]] = {}  # the account with the next turn comes first
        self._by_name: dict[str, _Waiter] = {}
        self._held: Counter[str] = Counter()
        self.taken = 0

    def place(self, account: str, name: str = "", *, must: bool = False) -> "_HeldPlace":
        """Hold a place of *account* until the cover is stored; returns when its turn comes.

        *name*: key under which also_for() finds this waiter. *must*: skip the limit, for callers with a bound
        of their own. Raises Busy: at once if no place is free, later if the place went to another.
        """
        return _HeldPlace(self, account, name, must=must)

    async def take(self, account: str, name: str, *, must: bool) -> RenderPlace:
        """Take a place; see place(). give_back() MUST follow once it is taken."""
        if not must:
            self._make_room(account)
        self.taken += 1
        self._held[account] += 1
        try:
            await self._turn(account, name)
        except BaseException:
            self._leave_place(account)
            raise
        return self._place

    def give_back(self, account: str) -> None:
        """Pass the turn on, and free the place."""
        self._load.note_end(self._now(), is_waited_for=bool(self._queues))
        self._next()
        self._leave_place(account)

    def _leave_place(self, account: str) -> None:
        self.taken -= 1
        self._held[account] -= 1
        if not self._held[account]:
            del self._held[account]

    def also_for(self, name: str, account: str) -> None:
        """Let the waiter *name* also use the turns of *account*, which now waits for the same cover."""
        if waiter := self._by_name.get(name):
            self._enter(waiter, account)

    def has_turn(self, account: str) -> bool:
        """Return whether place() would return at once, and push nobody out."""
        return self.is_turn_free and self._room(account) == []

    def is_full_for(self, account: str) -> bool:
        """Return whether place() would raise Busy at once."""
        return self._room(account) is None

    def _make_room(self, account: str) -> None:
        room = self._room(account)
        if room is None:
            raise Busy("the render queue is full")
        for waiter in room:
            self._leave(waiter)
            if not waiter.turn.done():  # just cancelled
                waiter.turn.set_exception(Busy("another request took the place"))

    def _room(self, account: str) -> list[_Waiter] | None:
        """Return the waiters to evict so that *account* gets a place, usually none; None: it gets none."""
        now = self._now()
        places = self._load.places(now, self.taken)
        is_at_most = self._held[account] >= places - max(places // 4, 1)
        is_full = is_at_most or self.taken >= places
        if not is_full and not self._load.is_overload(now):
            return []
        asked = [account] if is_at_most else list(self._queues)
        oldest = min((self._oldest(each) for each in asked if each in self._queues), key=_since, default=None)
        if oldest is not None and now - oldest.since > self._load.longest(self._at_once):
            return [oldest]  # it comes last as long as others come: the latest is next
        if not is_full:
            return []
        if is_at_most:
            return None
        largest = max(self._queues, key=lambda each: self._held[each], default=account)
        if self._held[largest] <= self._held[account] + 1:
            return None
        return [self._last(largest)]

    def _is_behind(self, account: str) -> bool:
        """Return whether an account's first waiter would be served too late, and the others after it too."""
        is_long = self._load.wait(self.taken) > self._patience
        return is_long and self._now() - self._oldest(account).since > self._patience / 2

    def _first(self, account: str) -> _Waiter:
        """Return the next waiter in an account's queue."""
        return next(reversed(self._queues[account])) if self._is_behind(account) else self._oldest(account)

    def _last(self, account: str) -> _Waiter:
        """Return the waiter who would be served last."""
        return self._oldest(account) if self._is_behind(account) else next(reversed(self._queues[account]))

    def _oldest(self, account: str) -> _Waiter:
        return next(iter(self._queues[account]))

    async def _turn(self, account: str, name: str) -> None:
        if self.is_turn_free:
            self._turns += 1
            return
        waiter = _Waiter(name, self._now())
        self._enter(waiter, account)
        if name:
            self._by_name[name] = waiter
        try:
            await waiter.turn
        except asyncio.CancelledError:
            self._leave(waiter)
            if not waiter.turn.cancelled() and not waiter.turn.exception():
                self._next()  # our turn had just come
            raise

    def _enter(self, waiter: _Waiter, account: str) -> None:
        waiter.accounts.add(account)
        self._queues.setdefault(account, {})[waiter] = None

    def _leave(self, waiter: _Waiter) -> None:
        """Remove *waiter* from every queue."""
        for account in waiter.accounts:
            self._queues[account].pop(waiter, None)
            if not self._queues[account]:
                del self._queues[account]
        waiter.accounts.clear()
        if self._by_name.get(waiter.name) is waiter:
            del self._by_name[waiter.name]

    @property
    def is_turn_free(self) -> bool:
        """Whether who has a place would have a turn at once."""
        return not self._queues and self._turns < self._at_once + self._load.ahead()

    def _next(self) -> None:
        """Pass our turn to the next account, and those that are free besides."""
        self._turns -= 1
        while self._queues and self._turns < self._at_once + self._load.ahead():
            account = next(iter(self._queues))
            waiter = self._first(account)
            self._leave(waiter)
            if not waiter.turn.done():  # just cancelled
                if account in self._queues:
                    self._queues[account] = self._queues.pop(account)  # to the end
                self._turns += 1
                waiter.turn.set_result(None)

    def close(self) -> None:
        """Stop the threads: running work is finished, waiting work is dropped."""
        self._threads.close()


class _HeldPlace:
    """A place while it is held. A class, as an async generator costs each cover several times as much."""

    __slots__ = ("_account", "_must", "_name", "_pool")

    def __init__(self, pool: RenderPool, account: str, name: str, *, must: bool) -> None:
        self._pool = pool
        self._account = account
        self._name = name
        self._must = must

    async def __aenter__(self) -> RenderPlace:
        return await self._pool.take(self._account, self._name, must=self._must)

    async def __aexit__(self, *exc: object) -> None:
        self._pool.give_back(self._account)


def _since(waiter: _Waiter) -> float:
    return waiter.since
