"""Threads that work for the event loop: what comes back, what is dropped, and that nothing is kept."""

import asyncio
import gc
import threading
import weakref
from functools import partial

import pytest

from coverproxy.concurrency.threads import WorkerThreads


class Thing:
    """What a weak reference can point at."""


async def test_results_and_errors_come_back() -> None:
    """Each waiter gets what its own work returned or raised, from as many threads as there are."""
    meeting = threading.Barrier(2)
    with WorkerThreads(2, "test") as threads:
        met = await asyncio.wait_for(asyncio.gather(*(threads.run(meeting.wait) for _ in range(2))), 20)
        assert sorted(met) == [0, 1]
        assert await asyncio.gather(*(threads.run(partial(pow, n, 2)) for n in range(50))) == [
            n * n for n in range(50)
        ]
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
        names = {await threads.run(lambda: threading.current_thread().name) for _ in range(20)}
        assert names <= {"test_0", "test_1"}


async def test_cancelled_work_is_not_begun_and_begun_work_is_finished() -> None:
    """Who hangs up before a thread is free costs nothing; who does later disturbs no other's result."""
    go, started = threading.Event(), threading.Event()
    done: list[str] = []

    def work(name: str) -> None:
        started.set()
        go.wait(20)
        done.append(name)

    with WorkerThreads(1, "test") as threads:
        begun = asyncio.ensure_future(threads.run(partial(work, "begun")))
        waiting = asyncio.ensure_future(threads.run(partial(work, "waiting")))
        await asyncio.to_thread(started.wait, 20)
        begun.cancel()
        waiting.cancel()
        await asyncio.gather(begun, waiting, return_exceptions=True)
        go.set()
        assert await threads.run(lambda: list(done)) == ["begun"]


async def test_closing_drops_what_waits() -> None:
    """Running work is finished, what has not begun is cancelled, and no more is taken."""
    go, started = threading.Event(), threading.Event()
    threads = WorkerThreads(1, "test")

    def work() -> str:
        started.set()
        go.wait(20)
        return "done"

    running = asyncio.ensure_future(threads.run(work))
    waiting = asyncio.ensure_future(threads.run(work))
    await asyncio.to_thread(started.wait, 20)
    closing = asyncio.ensure_future(asyncio.to_thread(threads.close))
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    assert await running == "done"
    await closing
    with pytest.raises(RuntimeError, match="ended"):
        await threads.run(work)


async def test_nothing_of_finished_work_is_kept() -> None:
    """A thread that rests holds neither the work nor its result: a cover's bytes would stay for hours."""
    with WorkerThreads(1, "test") as threads:
        thing = await threads.run(Thing)
        seen = weakref.ref(thing)
        del thing
        await asyncio.sleep(0.05)
        gc.collect()
        assert seen() is None


async def test_work_is_passed_on_without_the_loop() -> None:
    """What one set of threads returns is worked on by the other; what either raises comes to the waiter."""
    with WorkerThreads(2, "first") as first, WorkerThreads(1, "second") as second:

        def name(before: str) -> list[str]:
            return [before, threading.current_thread().name]

        found = await first.run_then(lambda: threading.current_thread().name, second, name)
        assert (found[0][:-1], found[1]) == ("first_", "second_0")
        with pytest.raises(ZeroDivisionError):
            await first.run_then(lambda: str(1 // 0), second, name)
        with pytest.raises(ZeroDivisionError):
            await first.run_then(lambda: 0, second, lambda zero: 1 // zero)
        assert await second.run(lambda: "goes on") == "goes on"


async def test_passed_on_work_of_who_hung_up_is_not_begun() -> None:
    """Who hangs up between the two has the second spared."""
    go, done = threading.Event(), list[str]()
    with WorkerThreads(1, "first") as first, WorkerThreads(1, "second") as second:
        waiting = asyncio.ensure_future(
            first.run_then(lambda: go.wait(20), second, lambda _: done.append("x"))
        )
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        go.set()
        await first.run(lambda: None)
        await second.run(lambda: None)
    assert done == []


async def test_many_tasks_for_few_threads_are_all_done() -> None:
    """No task is left lying while threads fall asleep and are woken, whoever puts them."""
    with WorkerThreads(3, "test") as threads:
        for _ in range(50):
            done = await asyncio.gather(*(threads.run(partial(abs, -n)) for n in range(20)))
            assert done == [*range(20)]
