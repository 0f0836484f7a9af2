"""Blocking work in threads of its own, off the event loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class _Task(NamedTuple):
    """Work, and who waits for it; or what takes its result on, in place of the waiter."""

    work: Callable[[], Any]
    waiter: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    then: Callable[["_Task", Any], None] | None = None


class WorkerThreads:
    """A few threads that work for event loops. A hop costs a third of one to a ThreadPoolExecutor.

    That makes a future for the thread and one for the loop, with a condition and a semaphore between them.
    The threads start with the first work, and last.
    """

    def __init__(self, count: int, name: str) -> None:
        self._tasks: deque[_Task] = deque()
        self._idle: list[threading.Lock] = []
        self._starting = threading.Lock()
        self._count, self._name = count, name
        self._threads: list[threading.Thread] = []
        self._is_over = False

    async def run(self, work: Callable[[], T]) -> T:
        """Run *work* in one of the threads. Cancelled before it begins, it is not begun."""
        self._ready()
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self._put(_Task(work, waiter, loop))
        return await waiter

    async def run_then(self, work: Callable[[], S], others: "WorkerThreads", after: Callable[[S], T]) -> T:
        """Run *work* in one of the threads, and *after* with its result in one of the *others*.

        In one hop off the event loop, not two. An exception of either is raised.
        """
        self._ready()
        others._ready()

        def pass_on(done: _Task, result: S) -> None:
            others._put(_Task(partial(after, result), done.waiter, done.loop))

        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self._put(_Task(work, waiter, loop, pass_on))
        return await waiter

    def _ready(self) -> None:
        if len(self._threads) < self._count:
            self._start()
        if self._is_over:
            raise RuntimeError("the threads have ended")

    def _put(self, task: _Task) -> None:
        """Have a thread do it: the last one that became idle, as it is the warmest.

        A SimpleQueue wakes all that wait for it, one after the other.
        """
        self._tasks.append(task)
        try:
            idle = self._idle.pop()
        except IndexError:  # all are at work
            return
        idle.release()

    def _next(self, waking: threading.Lock) -> _Task | None:
        """Wait for a task; None: the threads end. *waking*: this thread's own, and locked."""
        while True:
            try:
                return self._tasks.popleft()
            except IndexError:
                if self._is_over:
                    return None
            self._idle.append(waking)
            if not self._tasks and not self._is_over:  # else what came meanwhile may have woken nobody
                waking.acquire()
                continue
            try:
                self._idle.remove(waking)
            except ValueError:  # it has woken us
                waking.acquire()

    def _start(self) -> None:
        with self._starting:
            while len(self._threads) < self._count:
                name = f"{self._name}_{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
                self._threads[-1].start()

    def _serve(self) -> None:
        waking = threading.Lock()
        waking.acquire()
        while (task := self._next(waking)) is not None:
            if task.waiter.cancelled():
                continue
            result: Any = None
            fault: BaseException | None = None
            try:
                result = task.work()
            except BaseException as exc:
                fault = exc
            try:
                if task.then and fault is None:
                    task.then(task, result)
                else:
                    task.loop.call_soon_threadsafe(_settle, task.waiter, result, fault)
            except RuntimeError:  # its loop is closed
                pass
            del task, result, fault  # not kept until the next one comes

    def close(self) -> None:
        """End the threads once running work is done; waiting work is dropped, and its waiters cancelled."""
        self._is_over = True
        with suppress(IndexError):
            while task := self._tasks.popleft():
                with suppress(RuntimeError):
                    task.loop.call_soon_threadsafe(task.waiter.cancel)
        with suppress(IndexError):
            while idle := self._idle.pop():
                idle.release()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "WorkerThreads":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _settle(waiter: asyncio.Future[Any], result: Any, fault: BaseException | None) -> None:
    if waiter.done():  # cancelled
        return
    if fault is None:
        waiter.set_result(result)
    else:
        waiter.set_exception(fault)
