"""Serving: one process on its own, or a gunicorn master with worker processes, on listeners made once."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import uvloop
from aiohttp import web
from gunicorn.app.base import BaseApplication

from coverproxy import log
from coverproxy.config import Config
from coverproxy.metrics import Metrics
from coverproxy.web.app import build, run_ops
from coverproxy.web.keys import COVERS
from coverproxy.web.pages import Shown
from coverproxy.wiring import open_covers

_BACKLOG = 2048


@dataclass(frozen=True)
class Listeners:
    """The listening sockets of a service, made before any worker is: a taken port is told at once."""

    covers: socket.socket
    ops: socket.socket
    url: str = field(init=False)
    ops_url: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _url(self.covers))
        object.__setattr__(self, "ops_url", _url(self.ops))

    def close(self) -> None:
        """Close both."""
        self.covers.close()
        self.ops.close()


def listen(config: Config) -> Listeners:
    """Listen on both addresses. Raises OSError that names the address."""
    covers = _listen(config.server.host, config.server.port)
    try:
        return Listeners(covers, _listen(config.ops.host, config.ops.port))
    except OSError:
        covers.close()
        raise


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise OSError(f"cannot listen on {host} port {port}: {reason}") from exc


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def application(
    config: Config, listeners: Listeners, on_ready: Callable[[], None], shown: tuple[Shown, ...] = ()
) -> web.Application:
    """Make the application of one process: its start opens the service, its end closes it."""
    metrics = Metrics()
    app = build(config, metrics, shown)

    async def service(app: web.Application) -> AsyncIterator[None]:
        async with open_covers(config, metrics) as covers:
            app[COVERS] = covers
            yield

    async def ops(app: web.Application) -> AsyncIterator[None]:
        async for _ in run_ops(app[COVERS], metrics, listeners.ops):
            yield

    async def ready(app: web.Application) -> None:
        on_ready()

    app.cleanup_ctx.extend([service, ops])
    app.on_startup.append(ready)
    return app


def serve(
    config: Config, listeners: Listeners, on_ready: Callable[[], None], shown: tuple[Shown, ...] = ()
) -> None:
    """Serve until SIGTERM or SIGINT. `on_ready` is called once, when requests are answered.

    With several workers, their metrics add up only if metrics.MULTIPROCESS named a folder when this module
    was imported: prometheus_client looks at it once.
    """
    if config.server.workers > 1:
        _Master(config, listeners, on_ready, shown).run()
        return
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
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=config.server.stop_seconds)
    await runner.setup()
    await web.SockSite(runner, listeners.covers, backlog=_BACKLOG).start()
    on_ready()
    await stop.wait()
    await runner.cleanup()  # stops accepting, lets answers finish, then closes the service


class _Master(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn's master: starts workers, replaces dead ones, passes signals on; never loads libvips."""

    def __init__(
        self, config: Config, listeners: Listeners, on_ready: Callable[[], None], shown: tuple[Shown, ...]
    ) -> None:
        self._config = config
        self._listeners = listeners
        self._on_ready = on_ready
        self._shown = shown
        self._token = os.pipe()
        super().__init__()

    def load_config(self) -> None:
        """See BaseApplication: settings come from our config alone, never from gunicorn's files."""
        os.set_blocking(self._token[0], False)
        os.write(self._token[1], b"1")
        settings: dict[str, Any] = {
            "bind": f"fd://{self._listeners.covers.fileno()}",
            "workers": self._config.server.workers,
            "worker_class": "aiohttp.GunicornUVLoopWebWorker",
            "graceful_timeout": max(int(self._config.server.stop_seconds), 1),
            "timeout": 30,
            "loglevel": "warning",
            "proc_name": "coverproxy",
            "child_exit": _forget_worker,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)
        if "control_socket_disable" in self.cfg.settings:  # since 25: a socket that nobody asked for
            self.cfg.set("control_socket_disable", True)

    def load(self) -> Callable[[], Any]:
        """See BaseApplication; runs in each worker."""

        async def make() -> web.Application:
            log.set_up(self._config.log)
            return application(self._config, self._listeners, self._first_is_ready, self._shown)

        return make

    def _first_is_ready(self) -> None:
        """Call `on_ready` in whichever worker is first: the one that reads the one byte in the pipe."""
        try:
            os.read(self._token[0], 1)
        except BlockingIOError:
            return
        self._on_ready()


def _forget_worker(server: Any, worker: Any) -> None:
    """Drop a dead worker's live gauges from the sums; its counters stay counted."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
