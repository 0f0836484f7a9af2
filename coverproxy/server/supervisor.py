"""The supervisor: gunicorn's arbiter, which starts workers, replaces dead ones, and swaps them on SIGHUP."""

import asyncio
import faulthandler
import logging
import os
import select
import sys
import time
from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any, NoReturn

from aiohttp import web

from coverproxy import log
from coverproxy.config import Config
from coverproxy.domain.errors import ConfigError, CoverError, Unavailable
from coverproxy.server.application import Listeners, application, let_hits_go_first
from coverproxy.server.balanced_accept import SharedSite, Shares
from coverproxy.server.gunicorn_internals import (
    Arbiter,
    BaseApplication,
    GunicornUVLoopWebWorker,
    Logger,
    listener,
    without_control,
)
from coverproxy.storage.ownership import described
from coverproxy.web import bounds
from coverproxy.web.connections import BoundedRunner

LINGER_SECONDS = 0.5
"""How long a stopping worker waits for the request on a connection that it has just accepted."""

_LOOK_SECONDS = 0.01
"""How often it looks whether a connection is open, without which it waits for nobody."""

CHANGE_SECONDS = 20.0
"""How long the old workers are kept while new ones start; afterwards they go, and clients wait."""

RETRY_SECONDS = 1.0
"""Pause of a worker that cannot start, while others answer, before it is replaced."""

LAST_SECONDS = 2.0
"""How long a stopping worker waits for what was cancelled: uploads that clients still send, mostly."""

_PLACES = 1024
"""Most workers at the same time: server.workers has a limit of 256, and generations overlap."""

_log = logging.getLogger(__name__)


def supervise(
    config: Config, listeners: Listeners, on_ready: Callable[[], None], reread: Callable[[], Config]
) -> None:
    """Serve in several processes until SIGTERM or SIGINT.

    `on_ready` is called once, when requests are answered. `reread` loads the config again; it may raise
    ConfigError. The workers' metrics are summed only if metrics.MULTIPROCESS named a folder when this module
    was imported: prometheus_client checks that once.
    """
    _Changeover(_Gunicorn(config, listeners, on_ready, reread)).run()


class _Gunicorn(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """Our service as a gunicorn application; never loads libvips in the master."""

    def __init__(
        self, config: Config, listeners: Listeners, on_ready: Callable[[], None], reread: Callable[[], Config]
    ) -> None:
        self._config = config
        self._listeners = listeners
        self._on_ready = on_ready
        self._reread = reread
        self._token = os.pipe()  # holds one byte: the worker that reads it is the first
        os.set_blocking(self._token[0], False)
        os.write(self._token[1], b"1")
        self.failed = os.pipe()  # a line from each worker that cannot start
        os.set_blocking(self.failed[0], False)
        self.ready = os.pipe()  # a byte from each worker that answers
        os.set_blocking(self.ready[0], False)
        self.shares = Shares(_PLACES)
        self.share: Callable[[web.AppRunner], SharedSite]  # inherited by the worker that is forked next
        self._covers = listeners.covers.detach()  # gunicorn closes it, so nothing else may own it
        super().__init__()

    def load_config(self) -> None:
        """See BaseApplication: settings come from our config alone, never from gunicorn's files."""
        settings: dict[str, Any] = {
            "bind": f"fd://{self._covers}",
            "workers": self._config.server.workers,
            "worker_class": _Worker,
            "logger_class": _Logger,
            "graceful_timeout": ceil(self._config.server.stop_seconds + LINGER_SECONDS + LAST_SECONDS),
            "timeout": 30,
            "loglevel": "warning",
            "proc_name": "coverproxy",
            "pre_fork": _give_place,
            "child_exit": _forget_worker,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)
        without_control(self.cfg)

    def reload(self) -> None:
        """See BaseApplication; for SIGHUP. A config with mistakes changes nothing."""
        try:
            # The data folder must not change: workers of both generations share keys, counts and locks.
            self._config = self._reread().model_copy(update={"data": self._config.data})
        except ConfigError as exc:
            _log.error("the config has mistakes; the old one stays", extra={"mistakes": str(exc)})
        except Exception as exc:  # no error here may end a running service
            # only the kind: the text could contain a secret
            _log.error("the config cannot be read; the old one stays", extra={"error": type(exc).__name__})
        log.set_up(self._config.log)
        self.callable = None
        super().reload()

    def load(self) -> Callable[[], Any]:
        """See BaseApplication; runs in each worker."""

        async def make() -> web.AppRunner:
            app = application(self._config, self._listeners, self._is_ready)
            app.on_startup.append(_trace_crashes)
            stop_seconds = self._config.server.stop_seconds
            return LingeringRunner(
                app, self.share, around=bounds.around(app), shutdown_timeout=stop_seconds * 0.95
            )

        return make

    def _is_ready(self) -> None:
        """Report to the master; the first worker also calls `on_ready`."""
        os.write(self.ready[1], b"1")
        try:
            os.read(self._token[0], 1)
        except BlockingIOError:
            return
        self._on_ready()

    def cannot_start(self, why: str) -> NoReturn:
        """End a worker that cannot start. Blocks.

        If none answers yet, the master ends with this reason. Later, for example when the disk has filled up,
        the others go on, and a new worker tries each second.
        """
        if select.select([self._token[0]], [], [], 0)[0]:
            os.write(self.failed[1], f"{why}\n".encode(errors="replace")[: select.PIPE_BUF])
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        _log.error("a worker cannot start", extra={"error": why})
        time.sleep(RETRY_SECONDS)
        sys.exit(1)

    def reason(self) -> str:
        """Return the reason of the first worker that could not start; "" if there is none."""
        try:
            return os.read(self.failed[0], select.PIPE_BUF).decode(errors="replace").partition("\n")[0]
        except BlockingIOError:
            return ""


async def _trace_crashes(app: web.Application) -> None:
    faulthandler.enable()  # into the log: workers decode nothing, so a crash is our own bug


class _Changeover(Arbiter):  # type: ignore[misc]
    """Gunicorn's arbiter; but on SIGHUP the old workers go only when the new ones answer."""

    _is_reloading = False

    def reload(self) -> None:
        self._drain()
        self._is_reloading = True
        super().reload()

    def manage_workers(self) -> None:
        if self._is_reloading:
            self._is_reloading = False
            self._await(self.num_workers)
        super().manage_workers()

    def halt(self, reason: str | None = None, exit_status: int = 0) -> None:
        """See Arbiter; raises Unavailable with the reason of a worker that could not start."""
        if exit_status and (why := self.app.reason()):
            self.stop()
            raise Unavailable(why) from None
        super().halt(reason, exit_status)

    def _await(self, workers: int) -> None:
        deadline = time.monotonic() + CHANGE_SECONDS
        while workers > 0 and (left := deadline - time.monotonic()) > 0:
            if select.select([self.app.ready[0]], [], [], left)[0]:
                workers -= len(os.read(self.app.ready[0], 1024))

    def _drain(self) -> None:
        """Discard earlier readiness reports."""
        try:
            while os.read(self.app.ready[0], 1024):
                pass
        except BlockingIOError:
            return


class _Worker(GunicornUVLoopWebWorker):
    """aiohttp's worker, which by itself would notice a SIGTERM only at its next heartbeat."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self.sockets: list[Any] = []  # the runner accepts

    def run(self) -> None:
        """See GunicornUVLoopWebWorker; logs a machine fault at the start in one line, without a traceback."""
        let_hits_go_first()
        try:
            super().run()
        except (OSError, CoverError) as exc:
            if self.booted:
                raise
            self.app.cannot_start(described(exc) if isinstance(exc, OSError) else str(exc))

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        self._notify_waiter_done()


class LingeringRunner(BoundedRunner):
    """Accepts its share of the connections; when stopping, first stops accepting, then closes idle ones.

    A new connection may be idle only for a moment.
    """

    def __init__(
        self, app: web.Application, share: Callable[[web.AppRunner], web.BaseSite],
        linger_seconds: float = LINGER_SECONDS, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(app, **options)
        self._share = share
        self._linger_seconds = linger_seconds

    async def setup(self) -> None:
        await super().setup()
        await self._share(self).start()

    async def cleanup(self) -> None:
        for site in list(self.sites):
            await site.stop()
        await self._linger()
        await super().cleanup()
        await _end_tasks()

    async def _linger(self) -> None:
        """Wait for the requests of those who have just come, while anybody is there."""
        end = time.monotonic() + self._linger_seconds
        await asyncio.sleep(_LOOK_SECONDS)  # the loop may have to learn of a connection yet
        while self.server and self.server.connections and time.monotonic() < end:  # noqa: ASYNC110 - not told
            await asyncio.sleep(_LOOK_SECONDS)


async def _end_tasks() -> None:
    """Cancel what still runs, and wait for it: gunicorn closes the loop right away."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=LAST_SECONDS)


class _Logger(Logger):  # type: ignore[misc]
    """Sends gunicorn's log lines to our log, in our format."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self.loglevel = logging.WARNING
        self.error_log.propagate = True
        self.error_log.setLevel(self.loglevel)
        self.error_log.addFilter(_is_not_boot_error)


def _is_not_boot_error(record: logging.LogRecord) -> bool:
    """Filter out that a worker could not start: the master reports the reason last."""
    return not (isinstance(record.args, tuple) and record.args[1:] == (Arbiter.WORKER_BOOT_ERROR,))


def _give_place(server: Any, worker: Any) -> None:
    """Give a slot for sharing connections to the worker that is about to be forked."""
    shares = server.app.shares
    place = shares.take(worker.age)
    server.app.share = partial(SharedSite, listener=listener(server), shares=shares, place=place)


def _forget_worker(server: Any, worker: Any) -> None:
    """Free a dead worker's slot, and drop its live gauges from the sums; its counters stay."""
    from prometheus_client import multiprocess

    server.app.shares.free(worker.age)
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
