"""What stands before a source: who passes, who waits, and what a source's faults and wishes do to that."""

import asyncio
from collections.abc import Callable

import pytest

from coverproxy.domain.breaker import FAILURES, FIRST_PAUSE, BreakerState
from coverproxy.domain.spec import Identifier
from coverproxy.sources.base import Answer, NotThere, SourceUnavailable, Validators
from coverproxy.sources.limits import LimitedSource, RequestLimits
from coverproxy.stats.metrics import Metrics

BOOK = Identifier("isbn", "9780141439495")


class Scripted:
    """A source that does what it is told, ask by ask, and from then on has nothing."""

    def __init__(self, *turns: Callable[[], Answer]) -> None:
        self.name = "up"
        self.turns = list(turns)
        self.asks = 0

    async def fetch(self, identifier: Identifier, known: Validators | None) -> Answer:
        """Take the next turn."""
        self.asks += 1
        return self.turns.pop(0)() if self.turns else NotThere("nothing")

    async def aclose(self) -> None:
        """Nothing is held."""


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def down() -> Answer:
    """Give no answer."""
    raise SourceUnavailable("timeout")


def broken() -> Answer:
    """Raise what no source may."""
    raise ZeroDivisionError


def gate(source: Scripted, clock: Clock, waits: list[float] | None = None) -> LimitedSource:
    """A gate before *source*, whose pace says *waits*, one after the other, and then lets pass."""

    async def pace(name: str, rate: float, burst: int) -> float:
        return waits.pop(0) if waits else 0.0

    return LimitedSource(source, RequestLimits(1, 10.0, 1, wait_seconds=0.1), pace, Metrics(), clock)


async def reason(gate: LimitedSource, paused_for: float = 0.0) -> str:
    """Why it could not be asked; "" if it could."""
    try:
        await gate.fetch(BOOK, None, paused_for)
    except SourceUnavailable as exc:
        return exc.reason
    return ""


async def test_it_opens_and_a_probe_closes_it() -> None:
    """After failures in a row nobody asks; when the pause is over one does, and its answer closes it."""
    source, clock = Scripted(*[down] * FAILURES), Clock()
    asked = gate(source, clock)
    reasons = [await reason(asked) for _ in range(FAILURES + 2)]
    clock.now += FIRST_PAUSE

    assert reasons == ["timeout"] * FAILURES + ["open"] * 2
    assert asked.state is BreakerState.HALF_OPEN
    assert await reason(asked) == ""
    assert (asked.state, source.asks) == (BreakerState.CLOSED, FAILURES + 1)


async def test_an_error_that_no_source_may_raise_is_told_as_one_of_its_own() -> None:
    """A source that breaks its promise breaks nothing else, and counts as failing."""
    asked = gate(Scripted(*[broken] * FAILURES), Clock())
    reasons = [await reason(asked) for _ in range(FAILURES + 1)]

    assert reasons == ["fault"] * FAILURES + ["open"]


async def test_a_wish_that_another_process_was_told_is_obeyed() -> None:
    """Who comes with a pause of the source's does not ask, nor does anybody until it is over."""
    source, clock = Scripted(), Clock()
    asked = gate(source, clock)

    assert await reason(asked, paused_for=30.0) == "open"
    clock.now += 29
    assert await reason(asked) == "open"
    clock.now += 1
    assert await reason(asked) == ""
    assert source.asks == 1


async def test_who_waits_too_long_for_its_turn_is_told() -> None:
    """With the only place taken, the next waits a tenth of a second; that says nothing of the source."""
    entered, leave = asyncio.Event(), asyncio.Event()

    class Slow(Scripted):
        async def fetch(self, identifier: Identifier, known: Validators | None) -> Answer:
            entered.set()
            await leave.wait()
            return NotThere("late")

    asked = gate(Slow(), Clock())
    first = asyncio.ensure_future(reason(asked))
    await entered.wait()
    reasons = [await reason(asked) for _ in range(FAILURES + 1)]
    leave.set()

    assert reasons == ["busy"] * (FAILURES + 1)
    assert await first == ""
    assert asked.state is BreakerState.CLOSED


async def test_the_pace_is_waited_for_or_told() -> None:
    """A short wait is waited for, as often as it takes; one beyond the time to wait is told at once."""
    source = Scripted()
    asked = gate(source, Clock(), waits=[0.01, 0.02, 0.0, 5.0])

    assert await reason(asked) == ""
    assert await reason(asked) == "pace"
    assert source.asks == 1


async def test_it_says_how_long_one_more_takes() -> None:
    """As long as the requests before it, at the limits' pace, and one of its own, as they took so far."""
    clock, entered = Clock(), asyncio.Event()

    class Slow(Scripted):
        async def fetch(self, identifier: Identifier, known: Validators | None) -> Answer:
            clock.now += 1.5
            if entered.is_set():
                await asyncio.sleep(60)
            return NotThere("nothing")

    asked = gate(Slow(), clock)
    assert asked.expected_wait == 0
    assert await reason(asked) == ""
    assert asked.expected_wait == 1.5
    entered.set()
    waiting = [asyncio.ensure_future(reason(asked)) for _ in range(5)]
    await asyncio.sleep(0)
    assert asked.expected_wait == 4 * 1.5 + 1.5  # one is on its way, four wait
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert asked.expected_wait == 1.5


async def test_a_cancelled_ask_gives_its_place_back() -> None:
    """Who is cancelled in the middle leaves the place to the next."""

    class Endless(Scripted):
        async def fetch(self, identifier: Identifier, known: Validators | None) -> Answer:
            self.asks += 1
            if self.asks == 1:
                await asyncio.sleep(60)
            return NotThere("nothing")

    asked = gate(Endless(), Clock())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asked.fetch(BOOK), 0.02)

    assert await reason(asked) == ""
