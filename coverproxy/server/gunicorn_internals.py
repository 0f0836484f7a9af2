"""Gunicorn's internals that the supervisor uses: all of them, and nothing else of gunicorn is imported.

Gunicorn promises only its settings. A new major version may change what is named here, so pyproject.toml has
a ceiling: raise it once tests/server/test_gunicorn_internals.py passes with that version.

* `BaseApplication`: `load_config`, `load`, `reload`, `cfg`, `callable`.
* `Arbiter`: `run`, `reload`, `manage_workers`, `num_workers`, `halt`, `stop`, `app`, `LISTENERS`, and
  `WORKER_BOOT_ERROR`, the exit code that ends the master.
* `Logger`: `setup`, `error_log`.
* `GunicornUVLoopWebWorker` of aiohttp: `run`, `handle_exit`, `_notify_waiter_done`, `booted`, `age`.
"""

import socket
from typing import Any

from aiohttp.worker import GunicornUVLoopWebWorker
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

__all__ = ["Arbiter", "BaseApplication", "GunicornUVLoopWebWorker", "Logger", "listener", "without_control"]


def listener(arbiter: Any) -> socket.socket:
    """Return the socket that workers accept from: gunicorn has replaced our descriptor with another."""
    found: socket.socket = arbiter.LISTENERS[0].sock
    return found


def without_control(cfg: Any) -> None:
    """Switch off the control socket, which gunicorn opens since version 25 and we do not use."""
    if "control_socket_disable" in cfg.settings:
        cfg.set("control_socket_disable", True)
