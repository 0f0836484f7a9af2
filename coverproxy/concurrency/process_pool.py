"""Worker processes for a long list of work, at a bounded share of the machine."""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from math import ceil
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Work(Generic[Item, Result]):
    """The work on an item. `cpu_elsewhere`: CPU seconds that other processes have spent on it."""

    do: Callable[[Item], Iterator[Result]]
    cpu_elsewhere: Callable[[], float] = float


Opening = Callable[[], AbstractContextManager[Work[Item, Result]]]
"""Opens what the work needs, in the worker. MUST pickle: the worker is spawned and inherits nothing."""

NICENESS = 10
"""Requests come first: on a busy machine the kernel gives the pool about a tenth of a core."""

BATCH = 16
"""Items handed over at once: enough to make the transfer cheap, few enough to balance the load."""

_LEAST_REST_SECONDS = 0.005
_LOOK_SECONDS = 0.2
_MOST_DEATHS = 5


@dataclass(frozen=True, slots=True)
class PoolPace:
    """How many processes work, and the share of the time that each may."""

    workers: int
    duty: float


def pace(share: float, cores: int) -> PoolPace:
    """Divide *share* (0 to 1) of all cores among as few processes as possible.

    Whole processes alone would only give whole cores, and a quarter of two cores is half of one. So each also
    rests between items, until its CPU time is at most `duty` of the elapsed time. Niceness alone is not
    enough: an idle machine would give it everything, run hot, and other guests on the host would pay.
    """
    wanted = share * cores
    workers = max(1, ceil(wanted - 1e-9))
    return PoolPace(workers, min(wanted / workers, 1.0))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass
class _Member(Generic[Item]):
    """A worker process and its current batch."""

    process: BaseProcess
    pipe: Connection
    batch: list[Item]


class ThrottledPool(Generic[Item, Result]):
    """Works through a list. Ctrl-C ends it after the current items; a dead process is replaced.

    `on_results` gets the results of some items, and how many items those were. `on_death` gets an item that
    killed its process twice when alone, and the cause. Both run in the caller's thread, the main one.
    """

    def __init__(
        self,
        opening: Opening[Item, Result],
        pace: PoolPace,
        on_results: Callable[[list[Result], int], None],
        on_death: Callable[[Item, str], None],
    ) -> None:
        self._opening = opening
        self._pace = pace
        self._on_results = on_results
        self._on_death = on_death
        self.is_interrupted = False
        self._is_stopped = False
        self._again: deque[Item] = deque()
        self._members: list[_Member[Item]] = []
        self._deaths = 0

    def run(self, items: Iterable[Item]) -> None:
        """Work through all items; blocks. Raises ChildProcessError if processes keep dying."""
        waiting = iter(items)
        with _on_interrupt(self._interrupt):
            try:
                self._go(waiting)
            finally:
                for member in self._members:
                    member.pipe.close()  # it ends at the next item
                for member in self._members:
                    member.process.join()

    def stop(self) -> None:
        """Start no further items."""
        self._is_stopped = True

    def _interrupt(self) -> None:
        if self.is_interrupted:
            raise KeyboardInterrupt
        self.is_interrupted = self._is_stopped = True

    def _go(self, waiting: Iterator[Item]) -> None:
        while len(self._members) < self._pace.workers and (batch := self._next(waiting)):
            self._spawn(batch)
        is_told = False
        while busy := {id(member.pipe): member for member in self._members if member.batch}:
            for pipe in wait([member.pipe for member in busy.values()], timeout=_LOOK_SECONDS):
                self._take(busy[id(pipe)], waiting)
            if self._is_stopped and not is_told:
                is_told = True
                self._tell_all_to_stop()

    def _next(self, waiting: Iterator[Item]) -> list[Item]:
        if self._is_stopped:
            return []
        if self._again:  # one of these killed a process; try each alone
            return [self._again.popleft()]
        return list(islice(waiting, BATCH))

    def _take(self, member: _Member[Item], waiting: Iterator[Item]) -> None:
        """Take a worker's results and give it the next batch; if it died, replace it."""
        try:
            results, done = member.pipe.recv()
        except (EOFError, OSError):
            self._reap(member)
            if following := self._next(waiting):
                self._spawn(following)
            return
        self._deaths = 0
        self._on_results(results, done)
        member.batch = self._next(waiting)
        if member.batch:
            _send(member.pipe, member.batch)

    def _reap(self, member: _Member[Item]) -> None:
        member.process.join()
        member.pipe.close()
        self._members.remove(member)
        self._deaths += 1
        how = _describe_exit(member.process.exitcode)
        if self._deaths > _MOST_DEATHS:
            raise ChildProcessError(f"{self._deaths} processes died in a row, the last by {how}")
        if len(member.batch) == 1:
            self._on_death(member.batch[0], how)
        else:
            self._again.extend(member.batch)

    def _tell_all_to_stop(self) -> None:
        for member in self._members:
            _send(member.pipe, None)

    def _spawn(self, batch: list[Item]) -> None:
        """Start a process. Spawned, never forked: libvips' threads do not survive a fork."""
        spawning = multiprocessing.get_context("spawn")
        ours, theirs = spawning.Pipe()
        process = spawning.Process(
            target=_work, args=(theirs, self._opening, self._pace.duty), daemon=True, name="crew"
        )
        # Inherited: Ctrl-C reaches every process of a terminal, and only the parent may handle it.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, handler)
        theirs.close()
        self._members.append(_Member(process, ours, batch))
        _send(ours, batch)


def _send(pipe: Connection, message: Any) -> None:
    with suppress(OSError):  # it died meanwhile; we notice when we read from it
        pipe.send(message)


@contextmanager
def _on_interrupt(act: Callable[[], None]) -> Iterator[None]:
    """Handle Ctrl-C with *act*: an exception could interrupt a message half-way."""
    before = signal.signal(signal.SIGINT, lambda number, frame: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _describe_exit(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def _work(pipe: Connection, opening: Opening[Any, Any], duty: float) -> None:
    """Work until the list is done or the parent is gone: the whole life of a worker process."""
    os.nice(NICENESS)
    with opening() as work, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        rest = Rest(pipe, duty, work.cpu_elsewhere)
        while batch := pipe.recv():
            pipe.send(_results(work, batch, rest))


def _results(work: Work[Any, Any], batch: list[Any], rest: "Rest") -> tuple[list[Any], int]:
    """Work through a batch, resting between items; return the results and how many items were done."""
    results = []
    for done, item in enumerate(batch):
        for result in work.do(item):
            results.append(result)
            if rest.is_called_off():
                return results, done
    return results, len(batch)


class Rest:
    """Keeps a process to its share of the time: rests after each item, in proportion to its CPU time.

    Time spent waiting for the disk or for others counts as rest, but is not saved up for a burst.
    """

    def __init__(self, pipe: Connection, duty: float, cpu_elsewhere: Callable[[], float]) -> None:
        self._pipe = pipe
        self._duty = duty
        self._elsewhere = cpu_elsewhere
        self._owed = 0.0
        self._cpu, self._time = self._cpu_seconds(), time.monotonic()

    def is_called_off(self) -> bool:
        """Rest as long as is due; return whether to stop: the parent said so, or is gone."""
        self._reckon()
        is_called = self._pipe.poll(self._owed if self._owed >= _LEAST_REST_SECONDS else 0)
        self._reckon()
        return is_called

    def _reckon(self) -> None:
        cpu, now = self._cpu_seconds(), time.monotonic()
        taken = max(cpu - self._cpu, 0.0)  # can shrink when a process is replaced
        self._owed = max(self._owed + taken / self._duty - (now - self._time), 0.0)
        self._cpu, self._time = cpu, now

    def _cpu_seconds(self) -> float:
        return time.process_time() + self._elsewhere()
