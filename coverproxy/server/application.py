"""The application of a process, its listeners, and serving from a single process."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import uvloop
from aiohttp import web

from coverproxy.config import Config
from coverproxy.imaging.render_processes import RenderProcesses
from coverproxy.stats.metrics import Metrics
from coverproxy.web import bounds
from coverproxy.web.app import build, run_ops, use_fast_path
from coverproxy.web.app_keys import ACCOUNTS, COVERS, CURATOR, DESK, LOOKUPS, REPORTS, UPLOADS
from coverproxy.web.connections import BoundedRunner
from coverproxy.web.pages import Shown
from coverproxy.wiring.pages import open_desk
from coverproxy.wiring.service import Service, open_service

_BACKLOG = 2048

_SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter while another waits: Python's own 5 ms are many hits."""

SERVICE: web.AppKey[Service] = web.AppKey("service", Service)
"""Everything that was opened. Handlers know only the parts that have keys of their own."""


@dataclass(frozen=True)
class Listeners:
    """The listening sockets of a service, made before any worker, so that a taken port is reported at
    once.

    `url`: where covers are served; `ops_url`: health and metrics. Read at once: a master hands its socket of
    covers over to gunicorn.
    """

    covers: socket.socket
    ops: socket.socket
    url: str
    ops_url: str

    def close(self) -> None:
        """Close both."""
        self.covers.close()
        self.ops.close()


def listen(config: Config, handed: Sequence[socket.socket] = ()) -> Listeners:
    """Listen on both addresses, or use the covers socket that was *handed* to us.

    Raises OSError naming the address.
    """
    covers = handed[0] if handed else _listen(config.server.host, config.server.port)
    try:
        ops = _listen(config.ops.host, config.ops.port)
    except OSError:
        covers.close()
        raise
    return Listeners(covers, ops, _url(covers), _url(ops))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise OSError(f"cannot listen on {host} port {port}: {reason}") from exc


def _url(listener: socket.socket) -> str:
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def application(
    config: Config,
    listeners: Listeners,
    on_ready: Callable[[], None],
    shown: tuple[Shown, ...] = (),
    *,
    processes: RenderProcesses | None = None,
) -> web.Application:
    """Make the application of one process: starting it opens the service, its end closes it.

    `processes`: the caller's render processes, which stay open; without them it starts its own first of all.
    """
    metrics = Metrics()
    app = build(config, metrics, shown)

    async def service(app: web.Application) -> AsyncIterator[None]:
        async with open_service(config, metrics, processes) as opened:
            app[SERVICE] = opened
            app[COVERS], app[ACCOUNTS], app[LOOKUPS] = opened.covers, opened.accounts, opened.lookups
            app[CURATOR], app[REPORTS], app[UPLOADS] = opened.curator, opened.reports, opened.uploads
            use_fast_path(app, opened.memory, opened.folder.cache)
            async with open_desk(config, metrics, opened) as desk:
                app[DESK] = desk
                yield

    async def ops(app: web.Application) -> AsyncIterator[None]:
        async for _ in run_ops(app[COVERS], metrics, listeners.ops):
            yield

    async def ready(app: web.Application) -> None:
        on_ready()

    app.cleanup_ctx.extend([service, ops])
    app.on_startup.append(ready)
    return app


def let_hits_go_first() -> None:
    """Have this process's threads, which look up and store, hand the interpreter to the event loop sooner."""
    sys.setswitchinterval(_SWITCH_SECONDS)


def serve(
    config: Config, listeners: Listeners, on_ready: Callable[[], None], shown: tuple[Shown, ...] = ()
) -> None:
    """Serve in this process until SIGTERM or SIGINT; `on_ready` is called once requests are answered."""
    let_hits_go_first()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_alone(config, listeners, on_ready, shown))


async def _serve_alone(
    config: Config, listeners: Listeners, on_ready: Callable[[], None], shown: tuple[Shown, ...]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = application(config, listeners, lambda: None, shown)
    runner = BoundedRunner(app, around=bounds.around(app), shutdown_timeout=config.server.stop_seconds)
    await runner.setup()
    await web.SockSite(runner, listeners.covers, backlog=_BACKLOG).start()
    on_ready()
    await stop.wait()
    await runner.cleanup()  # stops accepting, lets answers finish, then closes the service
