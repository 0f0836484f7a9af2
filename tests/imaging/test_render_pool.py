"""The render queue: who waits, who is next, and who makes room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.domain.errors import Busy
from coverproxy.imaging.render_pool import RenderPool

PATIENCE = 1.0
ACT = st.sampled_from(["come", "finish", "cancel", "later"])


class Hours:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@asynccontextmanager
async def queueing(threads: int, waiting: int) -> AsyncIterator[tuple[RenderPool, Hours]]:
    """A queue, and its clock."""
    clock = Hours()
    queue = RenderPool(threads, waiting, PATIENCE, clock)
    yield queue, clock
    queue.close()


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


class Crowd:
    """Visitors of a queue, by number; each keeps its turn until it is let go."""

    def __init__(self, queue: RenderPool) -> None:
        self._queue = queue
        self.begun: list[int] = []
        self.busy: list[int] = []
        self._go: dict[int, asyncio.Event] = {}
        self.tasks: dict[int, asyncio.Task[None]] = {}

    async def come(self, *numbers: int, account: str = "A") -> None:
        """Have these ask for a place, in this order, all of one account."""
        for number in numbers:
            self._go[number] = asyncio.Event()
            self.tasks[number] = asyncio.create_task(self._visit(number, account))
        await settled()

    async def _visit(self, number: int, account: str) -> None:
        try:
            async with self._queue.place(account, str(number)):
                self.begun.append(number)
                await self._go[number].wait()
        except Busy:
            self.busy.append(number)

    async def finish(self, *numbers: int) -> None:
        """Let these be done, one after the other."""
        for number in numbers:
            self._go[number].set()
            await settled()


async def test_a_full_queue_refuses_at_once() -> None:
    """A place for each thread and each that may wait; the next is told Busy, and a free place is free."""
    async with queueing(threads=1, waiting=3) as (queue, _):
        crowd = Crowd(queue)
        await crowd.come(1, 2, 3)
        await crowd.come(4, account="B")
        await crowd.come(5, account="C")
        assert (crowd.begun, crowd.busy) == ([1, 2, 3], [5])
        await crowd.finish(1)
        await crowd.come(6, account="C")
        assert (crowd.begun, crowd.busy) == ([1, 2, 3, 4], [5])
        await crowd.finish(2, 3, 4, 6)
        assert queue.taken == 0


async def test_turns_go_round_by_account() -> None:
    """Another account's first and only cover is next, before the hundredth of one that came earlier."""
    async with queueing(threads=1, waiting=200) as (queue, _):
        crowd = Crowd(queue)
        await crowd.come(*range(100))
        await crowd.come(1000, account="B")
        await crowd.come(2000, 2001, account="C")
        await crowd.finish(0, 1, 2, 3)
        assert crowd.begun == [0, 1, 2, 3, 1000, 2000, 4]
        await crowd.finish(1000, 2000, 4)
        assert crowd.begun[7:] == [2001, 5, 6]
        await crowd.finish(2001, *range(5, 100))
        assert (len(crowd.begun), crowd.busy, queue.taken) == (103, [], 0)


async def test_an_account_holds_three_places_of_four() -> None:
    """However many covers one account asks for, there is room for others; its own next one is refused."""
    async with queueing(threads=1, waiting=11) as (queue, _):
        crowd = Crowd(queue)
        await crowd.come(*range(12))
        assert crowd.busy == [9, 10, 11]
        assert (queue.is_full_for("A"), queue.is_full_for("B")) == (True, False)
        await crowd.come(100, 101, 102, account="B")
        assert (crowd.busy, queue.taken) == ([9, 10, 11], 12)
        await crowd.finish(*range(9), 100, 101, 102)


async def test_who_holds_most_makes_room_for_a_newcomer() -> None:
    """With every place taken, an account that holds fewer gets one of the account that holds most."""
    async with queueing(threads=1, waiting=7) as (queue, _):
        crowd = Crowd(queue)
        await crowd.come(*range(5), account="A")
        await crowd.come(10, 11, 12, account="B")
        await crowd.come(20, account="C")
        assert (crowd.busy, queue.taken) == ([4], 8)
        await crowd.come(30, account="D")
        assert crowd.busy == [4, 3]
        await crowd.come(31, account="D")
        await crowd.come(32, account="D")
        assert crowd.busy == [4, 3, 12, 32]
        await crowd.finish(*range(3), 10, 11, 20, 30, 31)
        assert queue.taken == 0


async def test_a_cover_that_another_account_waits_for_has_its_turn() -> None:
    """Who joins a cover that waits in a long queue brings it a turn of its own account."""
    async with queueing(threads=1, waiting=200) as (queue, _):
        crowd = Crowd(queue)
        await crowd.come(*range(100))
        queue.also_for("77", "B")
        queue.also_for("none that waits", "B")
        await crowd.finish(0, 1, 77)
        assert crowd.begun[:6] == [0, 1, 2, 3, 77, 4]
        await crowd.finish(*range(2, 100))
        assert (len(crowd.begun), queue.taken) == (100, 0)


async def test_work_is_done_on_a_thread() -> None:
    """What a place's holder has run comes back."""
    async with queueing(threads=1, waiting=1) as (queue, _), queue.place("A") as place:
        assert await place.run(lambda: 6 * 7) == 42


async def test_the_first_is_next_while_all_can_be_answered() -> None:
    """As long as nobody has waited for long, covers are made in the order of asking."""
    async with queueing(threads=1, waiting=10) as (queue, clock):
        crowd = Crowd(queue)
        await crowd.come(1, 2, 3, 4, 5)
        clock.at = PATIENCE / 2
        await crowd.finish(1, 2, 3, 4, 5)
        assert crowd.begun == [1, 2, 3, 4, 5]


async def test_the_last_is_next_once_it_is_too_late_for_the_first() -> None:
    """Who can still be answered in time goes first; the others are made too, when nothing else is to do."""
    async with queueing(threads=1, waiting=10) as (queue, clock):
        crowd = Crowd(queue)
        await crowd.come(1, 2, 3, 4, 5, 6)
        clock.at = PATIENCE * 0.35
        await crowd.finish(1)
        clock.at = PATIENCE * 0.7  # so a cover takes a third of the patience, and seven take far more
        await crowd.come(7)
        await crowd.finish(2, 3, 4, 7, 6, 5)
        assert crowd.begun == [1, 2, 3, 4, 7, 6, 5]


async def test_the_first_is_next_while_all_can_be_served() -> None:
    """However long somebody has waited, in a short queue others do not go first."""
    async with queueing(threads=1, waiting=10) as (queue, clock):
        crowd = Crowd(queue)
        await crowd.come(1, 2, 3, 4, 5)
        for number in (1, 2):
            clock.at += PATIENCE * 0.05
            await crowd.finish(number)
        clock.at = PATIENCE * 0.7
        await crowd.come(6, 7)
        await crowd.finish(3, 4, 5, 6, 7)
        assert crowd.begun == [1, 2, 3, 4, 5, 6, 7]


async def test_who_has_waited_in_vain_makes_room() -> None:
    """Of its account's places one that nobody waits for any more goes to a newcomer, the oldest first."""
    async with queueing(threads=1, waiting=5) as (queue, clock):
        crowd = Crowd(queue)
        await crowd.come(1, 2, 3, 4, 5)
        clock.at = PATIENCE
        await crowd.come(6)
        assert crowd.busy == [6]
        clock.at = PATIENCE * 1.1
        await crowd.come(7)
        assert crowd.busy == [6, 4]
        await crowd.come(8)
        assert crowd.busy == [6, 4, 5]
        await crowd.come(9)
        assert crowd.busy == [6, 4, 5, 9]
        await crowd.finish(1, 2, 3, 7, 8)
        assert crowd.begun == [1, 2, 3, 7, 8]
        assert queue.taken == 0


async def test_who_has_just_come_keeps_the_place_where_covers_are_slow() -> None:
    """A cover takes twice the patience: a newcomer still gets a place of who holds most, not the oldest."""
    async with queueing(threads=1, waiting=7) as (queue, clock):
        crowd = Crowd(queue)
        await crowd.come(100, 101, 102, 103, 104)
        for number in range(100, 105):
            clock.at += 2 * PATIENCE
            await crowd.finish(number)
        await crowd.come(1, 2, 3)
        await crowd.come(10, account="B")
        await crowd.come(4, 5, 6)
        await crowd.come(30, account="D")
        await crowd.come(20, account="C")
        assert (crowd.busy, queue.taken) == ([6], 8)
        await crowd.finish(1, 2, 3, 10, 4, 5, 30, 20)


ACTS = st.lists(
    st.tuples(st.sampled_from(["come", "finish", "cancel", "later"]), st.integers(0, 30)), max_size=60
)


@settings(max_examples=150)
@given(
    threads=st.integers(1, 3),
    waiting=st.integers(1, 4),
    acts=st.lists(st.tuples(ACT, st.integers(0, 30)), max_size=60),
)
def test_no_turn_is_lost(threads: int, waiting: int, acts: list[tuple[str, int]]) -> None:
    """Whoever comes, ends or hangs up in whatever order: in the end all places and turns are free again."""

    async def play() -> None:
        async with queueing(threads, waiting) as (queue, clock):
            crowd = Crowd(queue)
            for at, (act, pick) in enumerate(acts):
                open_ones = [number for number, task in crowd.tasks.items() if not task.done()]
                if act == "come":
                    await crowd.come(at, account="ABC"[pick % 3])
                elif act == "later":
                    clock.at += PATIENCE * pick / 20
                elif open_ones and act == "finish":
                    crowd._go[open_ones[pick % len(open_ones)]].set()  # and the next act at once
                elif open_ones:
                    crowd.tasks[open_ones[pick % len(open_ones)]].cancel()
                assert queue.taken <= threads + waiting
            await settled()
            await crowd.finish(*crowd.tasks)
            await asyncio.gather(*crowd.tasks.values(), return_exceptions=True)
            assert queue.taken == 0
            last = Crowd(queue)
            turns = min(threads + 2, threads + waiting)
            for number in range(1000, 1000 + turns):
                await last.come(number, account=str(number))
            assert len(last.begun) == turns
            await last.finish(*last.tasks)

    asyncio.run(play())
