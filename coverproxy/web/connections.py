"""Limits on connections: how many at once, and how long each may take for a head, an answer, or idle."""

import asyncio
import logging
import resource
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from coverproxy.web import plain_head
from coverproxy.web.plain_head import PlainHead

MAX_LINE_BYTES = 32_768
"""Longest request line: a GET for a thousand ISBNs has about 17,000 bytes (aiohttp's limit is 8,190)."""

MAX_HEADERS = 64
"""Most header lines; browsers behind two proxies send about 30."""

MOST_CONNECTIONS = 4096
"""Most connections of a process, whatever its limit of open files: an idle one takes some 10 kB."""

_OWN_FILES = 256
"""Files that a process needs besides its connections: databases, covers, sources, renders."""

_LOOK_SECONDS = 1.0
"""Interval between checks for connections that take too long."""

_NEVER_SECONDS = 1e6
"""aiohttp's own limit of idle connections: it does not see the hits that need no parser, and we do."""

_QUIET_SECONDS = 60.0
"""Interval between log lines, however many connections are turned away."""

_log = logging.getLogger(__name__)

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

HEAD_BYTES = 4096
"""Kept of a head that cannot be read, to answer it: more than addresses without lists may have."""


class BeforeRouter(Protocol):
    """What stands before the router."""

    def __call__(self, handle: Handle, /) -> Handle:
        """Wrap the handler of all requests."""
        ...

    def at_once(self, head: PlainHead, /) -> bytes | None:
        """Return the whole answer to a request, if it needs neither a parser nor a task."""
        ...

    def unread(self, head: bytes, /) -> web.Response | None:
        """Answer a request that cannot be read, of which this is the beginning; None: as invalid HTTP."""
        ...


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits on a process's connections.

    `most`: at once. `head_seconds`: for a request's head, from its first byte, or from the start of the
    connection. `idle_seconds`: between requests; longer than the 60 for which nginx keeps a connection to us,
    or a request could meet one that is just closing. `send_seconds`: without progress for a client that does
    not read. `linger_seconds`: for a body that is not wanted.
    """

    most: int = MOST_CONNECTIONS
    head_seconds: float = 10.0
    idle_seconds: float = 75.0
    send_seconds: float = 30.0
    linger_seconds: float = 5.0


def limits_here() -> ConnectionLimits:
    """Return the limits of this process: connections must leave some of the open files free."""
    return ConnectionLimits(most=fitting(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def fitting(files: int) -> int:
    """Return how many connections fit into *files* open files (-1: no limit)."""
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(max(files - _OWN_FILES, files // 2, 1), MOST_CONNECTIONS)


class BoundedRunner(web.AppRunner):
    """aiohttp's runner, with limits on every connection. *around*: stands before the router."""

    def __init__(
        self,
        app: web.Application,
        limits: ConnectionLimits | None = None,
        around: BeforeRouter | None = None,
        **options: Any,
    ) -> None:
        super().__init__(app, access_log=None, **options)
        self._limits = limits or limits_here()
        self._around = around

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        handle: Handle = made.request_handler
        if self._around:
            handle = self._around(handle)
        return BoundedServer(self._limits, handle, made.request_factory, self._around)


class BoundedServer(web.Server):
    """The connections of one process. If there are too many, the one that is idle longest is closed."""

    def __init__(
        self, limits: ConnectionLimits, handle: Handle, request_factory: Any,
        around: BeforeRouter | None = None,
    ) -> None:  # fmt: skip
        super().__init__(begun(handle), request_factory=request_factory)
        self.unread = around.unread if around else None
        self.at_once = around.at_once if around else None
        self.options: dict[str, Any] = {
            "access_log": None, "auto_decompress": False, "max_line_size": MAX_LINE_BYTES,
            "max_headers": MAX_HEADERS, "keepalive_timeout": _NEVER_SECONDS,
            "lingering_time": limits.linger_seconds,
        }  # fmt: skip
        self.limits = limits
        self._idle: dict[Connection, None] = {}  # in the order in which they became idle
        self._sweeping: asyncio.TimerHandle | None = None
        self._quiet_until = float("-inf")
        self._turned_away = 0

    def __call__(self) -> Any:
        """Return the protocol for a new connection; called by the event loop."""
        if len(self._connections) >= self.limits.most and not self._make_room():
            return _TurnedAway()
        if self._sweeping is None:
            self._sweep_later()
        return Connection(self)

    def _make_room(self) -> bool:
        self._note()
        longest = next(iter(self._idle), None)
        if longest is None:
            return False
        self.became_busy(longest)
        longest.give_up()
        return True

    def _note(self) -> None:
        self._turned_away += 1
        now = time.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + _QUIET_SECONDS
        _log.warning(
            "too many connections: the one that is idle longest is closed",
            extra={"connections": len(self.connections), "closed": self._turned_away},
        )
        self._turned_away = 0

    def became_idle(self, connection: "Connection") -> None:
        """Record that the connection waits for a request from now on."""
        self._idle.pop(connection, None)
        self._idle[connection] = None

    def became_busy(self, connection: "Connection") -> None:
        """Record that the connection must not be closed to make room."""
        self._idle.pop(connection, None)

    def _sweep(self) -> None:
        """Close connections that take too long: one check of all per second, instead of timers for each."""
        now = time.monotonic()
        for connection in list(self.connections):
            if isinstance(connection, Connection) and connection.is_late(now):
                connection.give_up()
        self._sweeping = None
        if self._connections:
            self._sweep_later()

    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._sweep)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's own name
        """See Server."""
        if self._sweeping:
            self._sweeping.cancel()
        await super().shutdown(timeout)


def begun(handle: Handle) -> Handle:
    """Tell a connection that its request is being answered."""

    async def beginning(request: web.BaseRequest) -> web.StreamResponse:
        if isinstance(request.protocol, Connection):
            request.protocol.begin()
        return await handle(request)

    return beginning


class _TurnedAway(asyncio.Protocol):
    """A connection that is closed at once for lack of room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class Connection(web.RequestHandler):
    """One client's connection, which tracks how long it waits for what.

    `_is_in_heads`: each piece received so far was one plain head, so that the parser holds no part of a
    request, and expects no body: else a body could pass for a request. `_owed`: heads that aiohttp got and
    has not answered.
    """

    __slots__ = (
        "_bounds", "_head", "_head_since", "_idle_since", "_is_busy", "_is_in_heads", "_owed", "_unsent",
        "_unsent_since",
    )  # fmt: skip

    def __init__(self, server: BoundedServer) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **server.options)
        self._bounds = server
        self._head = b""
        self._is_busy = False
        self._head_since: float | None = None
        self._unsent, self._unsent_since = 0, 0.0
        self._is_in_heads, self._owed = server.at_once is not None, 0
        self._idle_since = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See Protocol. A new connection must send a head within the time limit."""
        super().connection_made(transport)
        self._head_since = time.monotonic()
        self._bounds.became_idle(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """See Protocol."""
        self._bounds.became_busy(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See Protocol. The first byte of a head starts its time."""
        if self._is_in_heads and self._is_answered(data):
            return
        if not self._is_busy:
            if self._head_since is None:
                self._head_since = time.monotonic()
            if len(self._head) < HEAD_BYTES:
                self._head = (self._head + data if self._head else data)[:HEAD_BYTES]
        super().data_received(data)

    def _is_answered(self, data: bytes) -> bool:
        """Answer a hit past the parser and its task, if nothing is under way; return whether it was one."""
        head = plain_head.read(data)
        if head is None:
            self._is_in_heads = False
            return False
        transport, answer = self.transport, None
        is_quiet = not self._owed and transport and not transport.get_write_buffer_size()
        if is_quiet and not head.is_conditional and self._bounds.at_once:
            answer = self._bounds.at_once(head)
        if answer is None or transport is None:
            self._owed += 1
            return False
        transport.write(answer)
        self._head_since = None
        self._rest()
        return True

    def _rest(self) -> None:
        """Record that it waits for a request."""
        self._is_busy, self._unsent, self._idle_since = False, 0, time.monotonic()
        if self.transport is not None:
            self._bounds.became_idle(self)

    def begin(self) -> None:
        """Record that a request's head has arrived."""
        self._is_busy, self._head_since, self._head = True, None, b""
        self._bounds.became_busy(self)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """See RequestHandler: sends the answer."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._owed -= 1
            self._rest()

    def is_late(self, now: float) -> bool:
        """Return whether its head, its reading of our answer, or its silence takes too long."""
        limits = self._bounds.limits
        if self._head_since is not None:
            return now - self._head_since > limits.head_seconds
        unsent = self.transport.get_write_buffer_size() if self.transport else 0
        if not unsent and not self._is_busy:
            return now - self._idle_since > limits.idle_seconds
        if not unsent or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
            return False
        return now - self._unsent_since > limits.send_seconds

    def give_up(self) -> None:
        """Close at once, dropping unsent data: a client that does not read would keep it here."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """See RequestHandler. Invalid HTTP is refused without a log line, which would contain client
        input; a request line that is too long to be read, as one that is too long.
        """
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        head, self._head = self._head, b""
        answer = self._bounds.unread(head) if self._bounds.unread else None
        answer = answer or web.Response(status=status, text="This is not valid HTTP.\n")
        answer.force_close()
        return answer
