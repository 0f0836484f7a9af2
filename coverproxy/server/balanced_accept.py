"""Accepting: workers share the connections of one listening socket evenly."""

import asyncio
import logging
import mmap
import os
import socket
import time

from aiohttp import web

SLACK = 1
"""How many connections more than the least laden worker one may hold and still accept."""

PAUSE_SECONDS = 0.001
"""How long a worker that has more than its share looks away, so that another may be faster."""

PATIENCE_SECONDS = 0.02
"""How long one leaves a connection to the others: they may all stand still."""

FAULT_SECONDS = 0.1
"""How long one looks away where nothing can be accepted (no more open files, mostly)."""

QUIET_SECONDS = 60.0
"""One line in the log so often, while nothing can be accepted."""

_MOST_AT_ONCE = 64
_BYTES = 4

_log = logging.getLogger(__name__)


class Shares:
    """How many connections each worker holds: a place for each, in memory that forks share with their parent.

    A place holds 0 where its worker accepts nothing (not yet, no longer, dead), else its connections and one.
    One writer a place and whole words, so there is no lock; what is a moment old only makes shares less even.
    """

    def __init__(self, places: int) -> None:
        self._table = memoryview(mmap.mmap(-1, places * _BYTES)).cast("I")
        self._owners: dict[int, int] = {}

    def take(self, owner: int) -> int:
        """Give *owner* (a worker's number, for the parent alone) a place. Raises ValueError: none is free."""
        place = min(set(range(len(self._table))) - set(self._owners.values()))
        self._owners[owner] = place
        return place

    def free(self, owner: int) -> None:
        """Take a worker's place back: it is dead, and perhaps could not say so."""
        place = self._owners.pop(owner, None)
        if place is not None:
            self.close(place)

    def tell(self, place: int, connections: int) -> None:
        """Say how many connections the worker of *place* holds."""
        self._table[place] = connections + 1

    def close(self, place: int) -> None:
        """Say that the worker of *place* accepts nothing."""
        self._table[place] = 0

    def least(self) -> int:
        """Return what the least laden worker holds, among those that accept. Some worker must."""
        return min(filter(None, self._table.tolist())) - 1


def room(mine: int, least: int) -> int:
    """Say how many connections a worker that holds *mine* may accept where the least laden holds *least*."""
    return max(min(least + SLACK + 1 - mine, _MOST_AT_ONCE), 0)


class SharedSite(web.BaseSite):
    """One worker's part in a listening socket that all workers accept from.

    The kernel wakes all of them for a connection, and without more the first to come takes it, and whatever
    else is waiting: of eight clients that keep their connections, one of two workers had seven or eight. A
    socket for each worker (SO_REUSEPORT) leaves it to a hash, six and two being common; what waits in a dead
    worker's is lost or late; and there is no such thing for Unix sockets.
    """

    def __init__(self, runner: web.AppRunner, listener: socket.socket, shares: Shares, place: int) -> None:
        super().__init__(runner)
        self._listener = listener
        self._shares = shares
        self._place = place
        self._joining: set[asyncio.Task[object]] = set()
        self._left_since = self._left_at = 0.0
        self._again: asyncio.TimerHandle | None = None
        self._quiet_until = float("-inf")

    @property
    def name(self) -> str:
        """See BaseSite."""
        return f"shared:{self._listener.getsockname()}"

    async def start(self) -> None:
        """Accept from now on."""
        await super().start()
        self._listener.setblocking(False)
        self._shares.tell(self._place, self._held())
        self._watch()

    async def stop(self) -> None:
        """Accept no more; connections stay."""
        await super().stop()
        self._shares.close(self._place)
        asyncio.get_running_loop().remove_reader(self._listener)
        if self._again is not None:
            self._again.cancel()

    def _held(self) -> int:
        assert self._runner.server is not None  # noqa: S101 - BaseSite has seen to it
        return len(self._runner.server.connections) + len(self._joining)

    def _watch(self) -> None:
        asyncio.get_running_loop().add_reader(self._listener, self._on_waiting)

    def _look_away(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._again = loop.call_later(seconds, self._watch)

    def _on_waiting(self) -> None:
        mine = self._held()
        self._shares.tell(self._place, mine)
        may = room(mine, self._shares.least()) or self._is_patience_over()
        if not may:
            self._look_away(PAUSE_SECONDS)
            return
        try:
            for _ in range(may):
                self._join(self._listener.accept()[0])
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            pass  # others were faster, or the client has thought better of it
        except OSError as exc:
            self._tell(exc)
            self._look_away(FAULT_SECONDS)
        self._shares.tell(self._place, self._held())

    def _tell(self, fault: OSError) -> None:
        """Log a fault, once in a while: it lasts, and we try ten times a second."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            _log.error("no connection can be accepted", extra={"error": fault.strerror or os.strerror(0)})

    def _is_patience_over(self) -> bool:
        """Say whether a connection has been left to others for so long that we take it all the same."""
        now = time.monotonic()
        if now - self._left_at > PATIENCE_SECONDS:  # that was another connection, taken by another worker
            self._left_since = now
        self._left_at = now
        return now - self._left_since > PATIENCE_SECONDS

    def _join(self, connection: socket.socket) -> None:
        assert self._runner.server is not None  # noqa: S101 - likewise
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(self._runner.server, connection))
        self._joining.add(task)
        task.add_done_callback(self._joined)

    def _joined(self, task: asyncio.Task[object]) -> None:
        self._joining.discard(task)
        if not task.cancelled() and (fault := task.exception()):
            _log.debug("a connection was lost at once", extra={"error": repr(fault)})
