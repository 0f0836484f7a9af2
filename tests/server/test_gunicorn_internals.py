"""The installed gunicorn and aiohttp have the internals that the supervisor relies on."""

import inspect
import socket
import warnings
from pathlib import Path
from typing import IO

import pytest
from gunicorn.config import Config

import coverproxy
from coverproxy.config import load
from coverproxy.server import gunicorn_internals as internals


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        *((internals.BaseApplication, name) for name in ("load_config", "load", "reload", "run")),
        *(
            (internals.Arbiter, name)
            for name in ("run", "reload", "manage_workers", "num_workers", "halt", "stop", "LISTENERS")
        ),
        (internals.Logger, "setup"),
        *(
            (internals.GunicornUVLoopWebWorker, name)
            for name in ("run", "handle_exit", "_notify_waiter_done")
        ),
    ],
)
def test_what_is_overridden_exists(owner: type, name: str) -> None:
    """A method that is overridden or called has not been renamed."""
    assert hasattr(owner, name)


def test_signatures_are_those_we_override() -> None:
    """Methods that are overridden are still called with the same arguments."""
    halt = list(inspect.signature(internals.Arbiter.halt).parameters)
    leave = list(inspect.signature(internals.GunicornUVLoopWebWorker.handle_exit).parameters)

    assert halt == ["self", "reason", "exit_status"]
    assert leave == ["self", "sig", "frame"]
    assert isinstance(internals.Arbiter.WORKER_BOOT_ERROR, int)


def test_settings_exist() -> None:
    """Gunicorn knows each setting that we set, and its control socket can be switched off."""
    cfg = Config()
    internals.without_control(cfg)

    assert {
        "bind", "workers", "worker_class", "logger_class", "graceful_timeout", "timeout", "loglevel",
        "proc_name", "pre_fork", "child_exit",
    } <= cfg.settings.keys()  # fmt: skip
    assert "control_socket_disable" not in cfg.settings or cfg.settings["control_socket_disable"].get()


def test_one_file_imports_gunicorn() -> None:
    """No other module imports gunicorn or aiohttp's worker."""
    root = Path(coverproxy.__file__).parent
    found = [
        path.name
        for path in root.rglob("*.py")
        if any(
            line.startswith(("from gunicorn", "import gunicorn", "from aiohttp.worker"))
            for line in path.read_text(encoding="utf-8").splitlines()
        )
    ]

    assert found == ["gunicorn_internals.py"]


def test_the_handed_over_socket_is_gunicorns_alone(tmp_path: Path) -> None:
    """Gunicorn closes our descriptor, whose number another file gets: the address stays right."""
    from gunicorn.sock import create_sockets

    from coverproxy.server.application import listen
    from coverproxy.server.supervisor import _Gunicorn

    config = load(None, {}, {"server": {"port": 0}, "ops": {"port": 0}, "data": {"dir": str(tmp_path)}})
    listeners = listen(config)
    port, handed = listeners.covers.getsockname()[1], listeners.covers.fileno()
    app = _Gunicorn(config, listeners, lambda: None, lambda: config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # gunicorn leaves a copy to the garbage collector
        (bound,) = create_sockets(app.cfg, internals.Logger(app.cfg))
    try:
        files: list[IO[str]] = []
        while not files or files[-1].fileno() < handed:
            files.append((tmp_path / f"file{len(files)}").open("w"))
        assert files[-1].fileno() == handed
        assert listeners.covers.fileno() == -1
        assert listeners.url == f"http://127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    finally:
        bound.sock.close()
        listeners.ops.close()
        for each in files:
            each.close()
