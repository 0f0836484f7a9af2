"""Overload of the render queue, on a clock of its own: who is served in time, who is refused, and when."""

import asyncio
from collections.abc import Iterator
from itertools import count

from coverproxy.domain.errors import Busy
from coverproxy.imaging.render_load import RenderLoad
from coverproxy.imaging.render_pool import RenderPool

PATIENCE = 0.9
COVER = 0.01
"""Seconds that a cover takes, of one thread."""


class Day:
    """A queue whose thread makes a cover every so many *seconds*, and everyone who came after *since*."""

    def __init__(self, seconds: float = COVER, since: float = 0.0) -> None:
        self.at = 0.0
        self._seconds = seconds
        self._since = since
        self.queue = RenderPool(1, 128, PATIENCE, lambda: self.at)
        self.made: list[float] = []
        self.refused: list[float] = []
        self.names: Iterator[int] = count()
        self._making: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, account: str = "A") -> None:
        """Have somebody ask for a cover that nobody else wants."""
        self._tasks.append(asyncio.create_task(self._visit(account)))
        await asyncio.sleep(0)

    async def _visit(self, account: str) -> None:
        came, ended = self.at, asyncio.Event()
        try:
            async with self.queue.place(account, str(next(self.names))):
                self._making.append(ended)
                await ended.wait()
            if came >= self._since:
                self.made.append(self.at - came)
        except Busy:
            if came >= self._since:
                self.refused.append(self.at - came)

    async def go_on(self) -> None:
        """Let the time of one cover pass."""
        self.at += self._seconds
        if self._making:
            self._making.pop(0).set()
        for _ in range(4):
            await asyncio.sleep(0)

    async def end(self) -> None:
        """Make whatever still waits."""
        while not all(task.done() for task in self._tasks):
            await self.go_on()
        self.queue.close()


async def test_under_lasting_overload_all_capacity_serves_in_time() -> None:
    """Of three times as many as can be served, as many are as can be, within the patience; nobody waits
    longer to be refused, and after the first seconds the others are refused at once.
    """
    day = Day()
    for _ in range(1000):
        for _ in range(3):
            await day.come()
        await day.go_on()
    served, refused_late = [each for each in day.made if each <= PATIENCE], len(day.refused) // 2
    assert len(served) >= 0.95 * 1000
    assert max(day.made + day.refused) <= PATIENCE + 0.15
    assert set(day.refused[refused_late:]) == {0.0}
    assert max(day.made[600:]) < PATIENCE * 0.6
    await day.end()


async def test_nobody_waits_in_vain_where_covers_are_slow() -> None:
    """With covers that take long, too, only those wait who are served in time, once the overload lasts."""
    day = Day(seconds=0.05, since=8.0)
    for _ in range(360):
        for _ in range(3):
            await day.come()
        await day.go_on()
    assert len([each for each in day.made if each <= PATIENCE]) >= 0.9 * 200
    assert max(day.made + day.refused) <= PATIENCE + 0.1
    await day.end()


async def test_a_fast_queue_that_stays_full_is_overload_too() -> None:
    """Where all places are served within the patience, too, those who get one need not wait that long."""
    day = Day(seconds=0.008)
    for _ in range(1200):
        for _ in range(3):
            await day.come()
        await day.go_on()
    assert len(day.made) >= 0.95 * 1200
    assert max(day.made[700:]) < PATIENCE * 0.6
    assert max(day.refused) == 0.0
    await day.end()


async def test_pages_that_follow_each_other_are_served_whole() -> None:
    """Readers who open pages of sixty covers a second apart get all of them, though each takes longer."""
    day = Day(seconds=0.02)
    for _ in range(3):
        for _ in range(60):
            await day.come()
        for _ in range(50):
            await day.go_on()
    while day.queue.taken:
        await day.go_on()
    assert (len(day.made), day.refused) == (180, [])
    assert max(day.made) > PATIENCE
    await day.end()


async def test_nobody_is_passed_over_while_the_queue_is_short() -> None:
    """Whoever stayed behind a burst gets a cover soon, though as many as can be served keep coming."""
    day = Day(seconds=0.05)
    for _ in range(6):
        await day.come()
        await day.go_on()  # the pace is known
    for _ in range(16):
        await day.come()
    for _ in range(120):
        await day.come()
        await day.go_on()
    assert day.refused == []
    assert max(day.made) < 2 * PATIENCE
    assert len(day.made) >= 125
    await day.end()


async def test_a_page_of_covers_is_served_whole() -> None:
    """A hundred covers at once, more than the patience of work, are all made where nobody comes after."""
    day = Day()
    for _ in range(96):  # an account's three quarters of the places
        await day.come()
    while day.queue.taken:
        await day.go_on()
    assert (len(day.made), day.refused) == (96, [])
    assert max(day.made) > PATIENCE
    await day.end()


async def test_another_account_is_served_under_overload() -> None:
    """Whoever asks for a single cover gets it in time, however many another account asks for."""
    day = Day()
    for moment in range(600):
        for _ in range(3):
            await day.come("flood")
        if moment % 20 == 0:
            refused = len(day.refused)
            await day.come("guest")
            assert len(day.refused) - refused <= 1  # of the flood, which makes room
        await day.go_on()
    await day.end()


def test_the_queue_is_long_again_when_the_overload_is_over() -> None:
    """All places are back as soon as the queue is short, and few are there before."""
    load = RenderLoad(3, 129, PATIENCE)
    for number in range(200):
        load.note_end(number * COVER, is_waited_for=True)
    lasting = 4 * PATIENCE
    assert load.places(2.0, 100) == 129
    assert load.places(2.01 + PATIENCE, 100) == 129
    assert load.places(2.01 + lasting, 100) == 45
    assert load.places(2.1 + lasting, 30) == 45
    assert load.places(2.2 + lasting, 20) == 129
    assert load.places(2.3 + lasting, 100) == 129


def test_a_queue_that_becomes_short_meanwhile_is_no_overload() -> None:
    """The queue has to take long all the time."""
    load = RenderLoad(3, 129, PATIENCE)
    for number in range(200):
        load.note_end(number * COVER, is_waited_for=True)
    for second in range(9):
        assert load.places(2.0 + second, 100 if second % 2 else 70) == 129


def test_a_turn_is_not_worth_waiting_for_where_its_cover_comes_too_late() -> None:
    """Those whose turns have come are ahead of it; where they take long, a quarter of the patience counts."""
    for seconds, longest in ((0.005, 0.9 - 9 * 0.005), (0.02, 0.9 - 3 * 0.02), (0.5, 0.9 * 0.75)):
        load = RenderLoad(3, 129, PATIENCE)
        assert load.longest(1) == PATIENCE
        for number in range(200):
            load.note_end(number * seconds, is_waited_for=True)
        assert abs(load.longest(1) - longest) < 0.01


def test_more_are_looked_up_ahead_while_covers_are_fast() -> None:
    """Two while nothing is known, and of slow covers; of fast ones what a twentieth of a second makes."""
    for seconds, ahead in ((0.5, 2), (0.025, 2), (0.01, 5), (0.001, 8)):
        load = RenderLoad(3, 128, PATIENCE)
        assert load.ahead() == 2
        for number in range(3):
            load.note_end(number * seconds * 0.999, is_waited_for=True)
        assert load.ahead() == ahead
