"""One maker per derivative: among the tasks of a process, and among the processes of a machine."""

import asyncio
import contextlib
import fcntl
import os
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from coverproxy.domain.errors import OwnFault, Pending

T = TypeVar("T")


class Flights(Generic[T]):
    """The derivatives that are being made in this process, by name."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Future[T]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    async def join(
        self,
        name: str,
        make: Callable[[], Awaitable[T]],
        within: float,
        concerns_us: Callable[[OwnFault], bool],
    ) -> tuple[T, bool]:
        """Wait for the flight of *name*, starting it where none is under way; say whether we started it.

        The flight is a task of its own: a visitor who hangs up takes nobody along. Its failure is raised to
        all who wait, but for an OwnFault that does not concern the follower: then it goes round again, and
        leads. Raises Pending after *within* seconds; the flight goes on.
        """
        deadline = asyncio.get_running_loop().time() + within
        while True:
            task = self._tasks.get(name)
            is_leader = task is None
            if task is None:
                task = self._tasks[name] = asyncio.ensure_future(make())
                task.add_done_callback(partial(self._landed, name))
            # unlike wait_for, wait() leaves the task alone when the time is up or the visitor gone
            await asyncio.wait({task}, timeout=deadline - asyncio.get_running_loop().time())
            if not task.done():
                raise Pending("the cover is being made")
            try:
                return task.result(), is_leader
            except OwnFault as exc:
                if is_leader or concerns_us(exc):
                    raise

    def _landed(self, name: str, task: asyncio.Future[T]) -> None:
        del self._tasks[name]
        if not task.cancelled():
            task.exception()  # seen, even when all who waited have hung up

    async def land(self, within: float) -> int:
        """Wait for all flights, at most *within* seconds; return how many did not make it."""
        tasks = set(self._tasks.values())
        if not tasks:
            return 0
        _, late = await asyncio.wait(tasks, timeout=within)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(late)


class Stripes:
    """Kernel locks between processes: a name's hash picks one of a fixed number of files.

    A stripe that cannot be opened (a full, read-only or vanished disk) is passed over: a cover made twice is
    better than none. The kernel frees a dead process's lock. The files are never removed: unlinking a locked
    file would split its waiters over two inodes (filelock). Two names on one stripe only wait for each other.
    """

    def __init__(self, folder: Path, count: int = 1024) -> None:
        self._folder = folder
        self._count = count
        # As many threads as flights can wait: the render queue bounds them.
        self._waiters = ThreadPoolExecutor(64, thread_name_prefix="lock")

    def _open(self, name: str) -> int | None:
        stripe = f"{self._folder}/{zlib.crc32(name.encode()) % self._count:04d}"
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(stripe, flags, 0o644)
        except OSError:
            with contextlib.suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)  # the whole cache was deleted, perhaps
                return os.open(stripe, flags, 0o644)
            return None

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Hold the lock of *name*, waiting in a thread where another process has it."""
        handle = self._open(name)
        if handle is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await self._wait(handle)
        try:
            yield
        finally:
            _close(handle)

    async def _wait(self, handle: int) -> None:
        waiting = self._waiters.submit(fcntl.flock, handle, fcntl.LOCK_EX)
        try:
            await asyncio.wrap_future(waiting)
        except asyncio.CancelledError:
            # MUST close only once the thread is done with it: else flock may get another file's number.
            if not waiting.cancel():
                waiting.add_done_callback(lambda _: os.close(handle))
            else:
                os.close(handle)
            raise

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold the lock of *name* from code that may block."""
        handle = self._open(name)
        try:
            if handle is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            _close(handle)

    def close(self) -> None:
        """End the waiting threads."""
        self._waiters.shutdown(wait=False, cancel_futures=True)


def _close(handle: int | None) -> None:
    """Free a lock: closing its only descriptor does."""
    if handle is not None:
        os.close(handle)
