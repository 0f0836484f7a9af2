"""Balanced accept: workers share the connections of one listening socket evenly."""

import asyncio
import logging
import mmap
import os
import socket
import time

from aiohttp import web

SLACK = 1
"""How many connections above the least loaded worker's number a worker may have and still accept."""

PAUSE_SECONDS = 0.001
"""Pause of a worker that has more than its share, so that another can accept first."""

PATIENCE_SECONDS = 0.02
"""Longest time to leave a connection to the others, which may all be blocked."""

FAULT_SECONDS = 0.1
"""Pause when accept fails (usually for lack of file descriptors)."""

QUIET_SECONDS = 60.0
"""Interval between log lines while accept fails."""

_MOST_AT_ONCE = 64
_BYTES = 4

_log = logging.getLogger(__name__)


class Shares:
    """How many connections each worker has: a slot per worker, in memory that forks share with their parent.

    A slot is 0 if its worker does not accept (not yet, no longer, dead), else its connections plus one.
    One writer per slot and aligned words, so no lock; slightly stale values only make shares less even.
    """

    def __init__(self, places: int) -> None:
        self._table = memoryview(mmap.mmap(-1, places * _BYTES)).cast("I")
        self._owners: dict[int, int] = {}

    def take(self, owner: int) -> int:
        """Give *owner* (a worker's number; parent only) a slot. Raises ValueError if none is free."""
        place = min(set(range(len(self._table))) - set(self._owners.values()))
        self._owners[owner] = place
        return place

    def free(self, owner: int) -> None:
        """Free the slot of a dead worker, which may not have done so itself."""
        place = self._owners.pop(owner, None)
        if place is not None:
            self.close(place)

    def tell(self, place: int, connections: int) -> None:
        """Publish the number of connections of *place*'s worker."""
        self._table[place] = connections + 1

    def close(self, place: int) -> None:
        """Publish that *place*'s worker does not accept."""
        self._table[place] = 0

    def least(self) -> int:
        """Return the number of connections of the least loaded accepting worker. At least one must accept."""
        return min(filter(None, self._table.tolist())) - 1


def room(mine: int, least: int) -> int:
    """Return how many connections a worker with *mine* may accept while the least loaded one has *least*."""
    return max(min(least + SLACK + 1 - mine, _MOST_AT_ONCE), 0)


class SharedSite(web.BaseSite):
    """One worker's part of a listening socket that all workers accept from.

    The kernel wakes all of them for a connection; without balancing, the first takes it and everything else
    that waits: of eight clients with keep-alive, one of two workers got seven or eight. A socket per worker
    (SO_REUSEPORT) distributes by hash, where six and two are common; connections queued at a dead worker are
    lost or late; and Unix sockets do not support it.
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
        """Start accepting."""
        await super().start()
        self._listener.setblocking(False)
        self._shares.tell(self._place, self._held())
        self._watch()

    async def stop(self) -> None:
        """Stop accepting; connections stay."""
        await super().stop()
        self._shares.close(self._place)
        asyncio.get_running_loop().remove_reader(self._listener)
        if self._again is not None:
            self._again.cancel()

    def _held(self) -> int:
        assert self._runner.server is not None  # noqa: S101 - BaseSite ensures it
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
            pass  # others were faster, or the client gave up
        except OSError as exc:
            self._tell(exc)
            self._look_away(FAULT_SECONDS)
        self._shares.tell(self._place, self._held())

    def _tell(self, fault: OSError) -> None:
        """Log a fault, but not often: it lasts, and we retry ten times a second."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            _log.error("no connection can be accepted", extra={"error": fault.strerror or os.strerror(0)})

    def _is_patience_over(self) -> bool:
        """Return whether we have left a connection to other workers for so long that we now take it."""
        now = time.monotonic()
        if now - self._left_at > PATIENCE_SECONDS:  # an earlier connection, taken by another worker
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
