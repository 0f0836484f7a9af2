"""Blocking work in threads of its own, off the event loop."""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class _Task(NamedTuple):
    """Work, and who waits for it."""

    work: Callable[[], Any]
    waiter: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class WorkerThreads:
    """A few threads that work for event loops. A hop costs a third of one to a ThreadPoolExecutor.

    That makes a future for the thread and one for the loop, with a condition and a semaphore between them.
    The threads start with the first work, and last.
    """

    def __init__(self, count: int, name: str) -> None:
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._count, self._name = count, name
        self._threads: list[threading.Thread] = []
        self._is_over = False

    async def run(self, work: Callable[[], T]) -> T:
        """Run *work* in one of the threads. Cancelled before it begins, it is not begun."""
        if len(self._threads) < self._count:
            self._start()
        if self._is_over:
            raise RuntimeError("the threads have ended")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self._tasks.put(_Task(work, waiter, loop))
        return await waiter

    def _start(self) -> None:
        with self._starting:
            while len(self._threads) < self._count:
                name = f"{self._name}_{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
                self._threads[-1].start()

    def _serve(self) -> None:
        while (task := self._tasks.get()) is not None:
            if task.waiter.cancelled():
                continue
            result: Any = None
            fault: BaseException | None = None
            try:
                result = task.work()
            except BaseException as exc:
                fault = exc
            try:  # noqa: SIM105 - a suppress() would be three calls more
                task.loop.call_soon_threadsafe(_settle, task.waiter, result, fault)
            except RuntimeError:  # its loop is closed
                pass
            del task, result, fault  # not kept until the next one comes

    def close(self) -> None:
        """End the threads once running work is done; waiting work is dropped, and its waiters cancelled."""
        self._is_over = True
        with suppress(queue.Empty):
            while True:
                if task := self._tasks.get_nowait():
                    with suppress(RuntimeError):
                        task.loop.call_soon_threadsafe(task.waiter.cancel)
        for _ in self._threads:
            self._tasks.put(None)
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


Threads = ThreadPoolExecutor | WorkerThreads


async def run_in(threads: Threads, work: Callable[[], T]) -> T:
    """Run *work* in one of *threads*, in one hop off the event loop, and return its result."""
    if isinstance(threads, WorkerThreads):
        return await threads.run(work)
    return await asyncio.get_running_loop().run_in_executor(threads, work)
