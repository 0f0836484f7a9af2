"""One maker per derivative: followers, those who hang up, refusals of one's own, other processes."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.concurrency.single_flight import SingleFlight
from coverproxy.domain.errors import NoCover, OwnFault, Pending, QuotaUsedUp, TooFast

Concerns = Callable[[OwnFault], bool]


def concerns(key: str, *, is_automated: bool = False) -> Concerns:
    """Whom a refusal concerns, for a visitor with *key*."""
    return lambda fault: fault.concerns(key, is_automated)


class Maker:
    """Something to make, that takes until it is let go, and counts how often it was begun."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.begun = 0
        self.go = asyncio.Event()
        self.fault = fault

    async def __call__(self) -> str:
        """Make it."""
        self.begun += 1
        await self.go.wait()
        if self.fault:
            raise self.fault
        return "cover"


async def test_many_wait_for_one_maker() -> None:
    """A thousand ask for one name at once: it is made once, one led, and all get it."""
    flights: SingleFlight[str] = SingleFlight()
    make = Maker()
    waiting = [asyncio.ensure_future(flights.join("a", make, 5, concerns("k"))) for _ in range(1000)]
    await asyncio.sleep(0)
    make.go.set()
    got = await asyncio.gather(*waiting)

    assert make.begun == 1
    assert [value for value, _ in got] == ["cover"] * 1000
    assert sum(is_leader for _, is_leader in got) == 1
    assert len(flights) == 0


async def test_names_fly_apart() -> None:
    """Another name is another flight."""
    flights: SingleFlight[str] = SingleFlight()
    make = Maker()
    make.go.set()
    await asyncio.gather(*(flights.join(name, make, 5, concerns("k")) for name in "abc"))

    assert make.begun == 3


async def test_a_leader_who_hangs_up_takes_nobody_along() -> None:
    """Cancelling the visitor who led leaves the flight alone: the follower gets the cover."""
    flights: SingleFlight[str] = SingleFlight()
    make = Maker()
    leader = asyncio.ensure_future(flights.join("a", make, 5, concerns("k")))
    await asyncio.sleep(0)
    follower = asyncio.ensure_future(flights.join("a", make, 5, concerns("k")))
    await asyncio.sleep(0)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    make.go.set()

    assert await follower == ("cover", False)
    assert make.begun == 1


async def test_when_all_have_hung_up_the_flight_still_lands() -> None:
    """A cover nobody waits for any more is made to the end: the next view has it."""
    flights: SingleFlight[str] = SingleFlight()
    make = Maker()
    leader = asyncio.ensure_future(flights.join("a", make, 5, concerns("k")))
    await asyncio.sleep(0)
    leader.cancel()
    make.go.set()

    assert await flights.land(within=5) == 0
    assert make.begun == 1


async def test_a_shared_failure_is_shared() -> None:
    """ "No cover" is true for everybody: it is found out once."""
    flights: SingleFlight[str] = SingleFlight()
    make = Maker(NoCover("none"))
    waiting = [asyncio.ensure_future(flights.join("a", make, 5, concerns(key))) for key in "xyz"]
    await asyncio.sleep(0)
    make.go.set()
    got = await asyncio.gather(*waiting, return_exceptions=True)

    assert make.begun == 1
    assert all(isinstance(fault, NoCover) for fault in got)


@pytest.mark.parametrize(
    ("fault", "follower"),
    [
        (QuotaUsedUp("poor", 9), concerns("rich")),
        (TooFast("poor", 9), concerns("rich", is_automated=True)),
        (TooFast("poor", 9), concerns("poor", is_automated=False)),
    ],
    ids=["another key's quota", "another key's pace", "the same key in a browser"],
)
async def test_a_follower_does_not_inherit_the_leaders_own_fault(fault: OwnFault, follower: Concerns) -> None:
    """Whom the leader's refusal does not concern goes round again, leads, and gets the cover."""
    flights: SingleFlight[str] = SingleFlight()
    poor, rich = Maker(fault), Maker()
    rich.go.set()
    leader = asyncio.ensure_future(flights.join("a", poor, 5, concerns("poor", is_automated=True)))
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(flights.join("a", rich, 5, follower))
    await asyncio.sleep(0)
    poor.go.set()

    with pytest.raises(type(fault)):
        await leader
    assert await waiting == ("cover", True)


async def test_a_follower_with_the_same_empty_purse_is_refused_with_the_leader() -> None:
    """The same key's quota concerns all who use it: they are not made to queue up for the same refusal."""
    flights: SingleFlight[str] = SingleFlight()
    make = Maker(QuotaUsedUp("k", 9))
    waiting = [asyncio.ensure_future(flights.join("a", make, 5, concerns("k"))) for _ in range(50)]
    await asyncio.sleep(0)
    make.go.set()
    got = await asyncio.gather(*waiting, return_exceptions=True)

    assert make.begun == 1
    assert all(isinstance(fault, QuotaUsedUp) for fault in got)


async def test_waiting_has_an_end_and_the_flight_goes_on() -> None:
    """After the time a client waits it is told "pending"; the flight lands all the same."""
    flights: SingleFlight[str] = SingleFlight()
    make = Maker()
    with pytest.raises(Pending):
        await flights.join("a", make, 0.01, concerns("k"))
    assert len(flights) == 1
    make.go.set()
    assert await flights.join("a", make, 5, concerns("k")) == ("cover", False)


async def test_landing_is_bounded() -> None:
    """At the end flights get their time, and what does not make it is ended."""
    flights: SingleFlight[str] = SingleFlight()
    waiting = asyncio.ensure_future(flights.join("a", Maker(), 60, concerns("k")))
    await asyncio.sleep(0)

    assert await flights.land(within=0.01) == 1
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.fixture
def stripes(tmp_path: Path) -> Iterator[FileLocks]:
    """Locks in a folder of their own."""
    locks = FileLocks(tmp_path)
    yield locks
    locks.close()


async def test_a_name_is_held_by_one_at_a_time(stripes: FileLocks) -> None:
    """Who comes second waits until the first is done."""
    order = []

    async def hold(name: str) -> None:
        async with stripes.hold("a"):
            order.append(f"{name} in")
            await asyncio.sleep(0.01)
            order.append(f"{name} out")

    await asyncio.gather(hold("x"), hold("y"), hold("z"))
    assert order == [
        f"{name} {way}" for name in (order[i].split()[0] for i in (0, 2, 4)) for way in ("in", "out")
    ]


async def test_a_lock_is_taken_now_or_not(stripes: FileLocks) -> None:
    """Code that must not wait gets a lock that is free, and is told of one that is not."""
    handle = stripes.take_now("a")
    with pytest.raises(BlockingIOError):
        stripes.take_now("a")
    stripes.free(handle)
    async with stripes.hold("a") as has_waited:
        assert not has_waited
        with pytest.raises(BlockingIOError):
            stripes.take_now("a")
    stripes.free(stripes.take_now("a"))


async def test_a_waiter_who_gives_up_leaves_no_lock_behind(stripes: FileLocks) -> None:
    """Cancelling a waiter frees what its thread gets later: the next one is not locked out."""
    async with stripes.hold("a"):
        waiter = asyncio.ensure_future(stripes.hold("a").__aenter__())
        await asyncio.sleep(0.05)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
    async with asyncio.timeout(60), stripes.hold("a"):
        pass


def _hold_and_die(folder: Path, held: Event, dies: Event) -> None:
    with FileLocks(folder).held("a"):
        held.set()
        dies.wait(30)
        os._exit(9)


async def test_a_dead_process_holds_nothing(tmp_path: Path, stripes: FileLocks) -> None:
    """The kernel frees the lock of a process that died with it; nothing has to be removed."""
    context = multiprocessing.get_context("spawn")
    held, dies = context.Event(), context.Event()
    process = context.Process(target=_hold_and_die, args=(tmp_path, held, dies))
    process.start()
    assert await asyncio.to_thread(held.wait, 30)

    async def takes() -> bool:
        async with stripes.hold("a") as has_waited:
            return has_waited

    taking = asyncio.create_task(takes())
    await asyncio.sleep(0)  # it asks, and waits
    dies.set()
    assert await asyncio.wait_for(taking, 10), "the lock was not held"
    process.join()


def _count_with_lock(folder: Path, counter: Path, rounds: int) -> None:
    stripes = FileLocks(folder)
    for _ in range(rounds):
        with stripes.held("a"):
            counter.write_text(str(int(counter.read_text()) + 1))


async def test_processes_exclude_each_other(tmp_path: Path) -> None:
    """Four processes add to one file under one name's lock: nothing is lost."""
    locks, counter = tmp_path / "locks", tmp_path / "counter"
    locks.mkdir()
    counter.write_text("0")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        await asyncio.to_thread(pool.starmap, _count_with_lock, [(locks, counter, 200)] * 4)

    assert counter.read_text() == "800"
    assert len(list(locks.iterdir())) == 1


async def test_locks_of_many_names_take_one_file(tmp_path: Path) -> None:
    """A cover's lock costs no inode, whatever its name; those of earlier versions' locks are given back."""
    (tmp_path / "0471").touch()
    (tmp_path / "note.txt").touch()
    stripes = FileLocks(tmp_path)
    stripes.remove_earlier()
    for number in range(100):
        async with stripes.hold(str(number)), stripes.hold(f"{number} too"):
            pass
    stripes.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["all", "note.txt"]


async def test_locks_that_cannot_be_had_stop_nobody(tmp_path: Path) -> None:
    """With the folder of the locks deleted it is made again; where it cannot be, work goes on without."""
    gone, blocked = FileLocks(tmp_path / "gone" / "locks"), FileLocks(tmp_path / "file" / "locks")
    (tmp_path / "file").write_text("in the way")
    for stripes in (gone, blocked):
        async with stripes.hold("a"):
            pass
        with stripes.held("a"):
            pass
        stripes.close()

    assert (tmp_path / "gone" / "locks").is_dir()
