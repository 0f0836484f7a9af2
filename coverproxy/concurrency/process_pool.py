"""Processes that go through a long list of work at a bounded share of the machine."""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Work(Generic[Item, Result]):
    """What is done to an item. `cpu_elsewhere`: seconds of CPU that other processes have taken for it."""

    do: Callable[[Item], Iterator[Result]]
    cpu_elsewhere: Callable[[], float] = float


Opening = Callable[[], AbstractContextManager[Work[Item, Result]]]
"""Opens what the work needs, in the process that does it. MUST pickle: that process starts from nothing."""

NICENESS = 10
"""Whoever serves goes first: on a busy machine the kernel gives a crew about a tenth of a core's time."""

BATCH = 16
"""Items handed over at once: enough that passing them costs nothing, few enough to be spread evenly."""

_LEAST_REST_SECONDS = 0.005
_LOOK_SECONDS = 0.2
_MOST_DEATHS = 5


@dataclass(frozen=True, slots=True)
class PoolPace:
    """How many processes work, and for which part of the time each does."""

    workers: int
    duty: float


def pace(share: float, cores: int) -> PoolPace:
    """Divide *share* (0 to 1) of all cores among processes: as few as can take it.

    Processes alone would only do for whole cores: a quarter of two cores is half of one. So each also rests
    from piece to piece until its CPU time is no more than `duty` of the time that went by. Niceness alone
    would not do either: on an idle machine it takes all there is, and heats it, and another guest pays.
    """
    wanted = share * cores
    workers = max(1, ceil(wanted - 1e-9))
    return PoolPace(workers, min(wanted / workers, 1.0))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass
class _Member(Generic[Item]):
    """A process and what it has in hand."""

    process: BaseProcess
    pipe: Connection
    batch: list[Item]


@dataclass
class ThrottledPool(Generic[Item, Result]):
    """Goes through a list. Ctrl-C ends it after the pieces in hand; a process that dies is replaced.

    `on_results` gets what came of some items, and how many items that were; `on_death` gets an item during
    which a process died by itself twice, and how. Both run in the caller's thread, which is the main one.
    """

    opening: Opening[Item, Result]
    pace: PoolPace
    on_results: Callable[[list[Result], int], None]
    on_death: Callable[[Item, str], None]
    is_interrupted: bool = False
    _is_stopped: bool = False
    _again: deque[Item] = field(default_factory=deque)
    _members: list[_Member[Item]] = field(default_factory=list)
    _deaths: int = 0

    def run(self, items: Iterable[Item]) -> None:
        """Go through all items; blocks. Raises ChildProcessError where processes do nothing but die."""
        waiting = iter(items)
        with _on_interrupt(self._interrupt):
            try:
                self._go(waiting)
            finally:
                for member in self._members:
                    member.pipe.close()  # it ends at the next piece
                for member in self._members:
                    member.process.join()

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopped = True

    def _interrupt(self) -> None:
        if self.is_interrupted:
            raise KeyboardInterrupt
        self.is_interrupted = self._is_stopped = True

    def _go(self, waiting: Iterator[Item]) -> None:
        while len(self._members) < self.pace.workers and (batch := self._next(waiting)):
            self._hire(batch)
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
        if self._again:  # a process died of one of these: alone it does no harm to the others
            return [self._again.popleft()]
        return list(islice(waiting, BATCH))

    def _take(self, member: _Member[Item], waiting: Iterator[Item]) -> None:
        """Take a member's results and hand it what follows; or see that it died, and replace it."""
        try:
            results, done = member.pipe.recv()
        except (EOFError, OSError):
            self._bury(member)
            if following := self._next(waiting):
                self._hire(following)
            return
        self._deaths = 0
        self.on_results(results, done)
        member.batch = self._next(waiting)
        if member.batch:
            _send(member.pipe, member.batch)

    def _bury(self, member: _Member[Item]) -> None:
        member.process.join()
        member.pipe.close()
        self._members.remove(member)
        self._deaths += 1
        how = _told(member.process.exitcode)
        if self._deaths > _MOST_DEATHS:
            raise ChildProcessError(f"{self._deaths} processes died one after the other, the last by {how}")
        if len(member.batch) == 1:
            self.on_death(member.batch[0], how)
        else:
            self._again.extend(member.batch)

    def _tell_all_to_stop(self) -> None:
        for member in self._members:
            _send(member.pipe, None)

    def _hire(self, batch: list[Item]) -> None:
        """Start a process. Spawned, never forked: libvips' threads do not survive a fork."""
        spawning = multiprocessing.get_context("spawn")
        ours, theirs = spawning.Pipe()
        process = spawning.Process(
            target=_work, args=(theirs, self.opening, self.pace.duty), daemon=True, name="crew"
        )
        # Inherited: Ctrl-C reaches every process of a terminal, and only we may answer it.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, handler)
        theirs.close()
        self._members.append(_Member(process, ours, batch))
        _send(ours, batch)


def _send(pipe: Connection, message: Any) -> None:
    with suppress(OSError):  # it died meanwhile: that is seen when we look for what it sends
        pipe.send(message)


@contextmanager
def _on_interrupt(act: Callable[[], None]) -> Iterator[None]:
    """Answer Ctrl-C by *act*: an exception could come in the middle of a message and tear it."""
    before = signal.signal(signal.SIGINT, lambda number, frame: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _told(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def _work(pipe: Connection, opening: Opening[Any, Any], duty: float) -> None:
    """Work until there is nothing more, or nobody who asks: the whole life of a process."""
    os.nice(NICENESS)
    with opening() as work, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        rest = Rest(pipe, duty, work.cpu_elsewhere)
        while batch := pipe.recv():
            pipe.send(_results(work, batch, rest))


def _results(work: Work[Any, Any], batch: list[Any], rest: "Rest") -> tuple[list[Any], int]:
    """Go through a batch, resting from piece to piece; return what came of it, and how many were done."""
    results = []
    for done, item in enumerate(batch):
        for result in work.do(item):
            results.append(result)
            if rest.is_called_off():
                return results, done
    return results, len(batch)


class Rest:
    """Keeps a process to its part of the time: what a piece took of the CPU is rested off after it.

    Time that went by waiting for the disk or for others counts as rest; it is not saved up for a rush.
    """

    def __init__(self, pipe: Connection, duty: float, cpu_elsewhere: Callable[[], float]) -> None:
        self._pipe = pipe
        self._duty = duty
        self._elsewhere = cpu_elsewhere
        self._owed = 0.0
        self._cpu, self._time = self._cpu_seconds(), time.monotonic()

    def is_called_off(self) -> bool:
        """Rest for what is owed; say whether meanwhile we are told to stop, or nobody is left to tell."""
        self._reckon()
        is_called = self._pipe.poll(self._owed if self._owed >= _LEAST_REST_SECONDS else 0)
        self._reckon()
        return is_called

    def _reckon(self) -> None:
        cpu, now = self._cpu_seconds(), time.monotonic()
        taken = max(cpu - self._cpu, 0.0)  # less where a process was replaced
        self._owed = max(self._owed + taken / self._duty - (now - self._time), 0.0)
        self._cpu, self._time = cpu, now

    def _cpu_seconds(self) -> float:
        return time.process_time() + self._elsewhere()
