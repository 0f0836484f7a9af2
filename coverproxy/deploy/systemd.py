"""systemd's units for the service, generated from its config: pure functions from values to text."""

from collections.abc import Sequence
from pathlib import Path

from coverproxy.concurrency.file_locks import WAITERS
from coverproxy.config import Config
from coverproxy.deploy.template import filled

FOLDER = Path("/etc/systemd/system")

_BASE_MIB, _WORKER_MIB = 256, 200
"""Memory of the master, and of a worker without decoding: each of its renders may take max_decoded_bytes."""

LOCKS = 3
"""Sets of locks per worker: for covers, for fetches from sources, for decodes."""

_BASE_TASKS, _WORKER_TASKS, _RENDER_TASKS = 32, LOCKS * WAITERS + 64, 16
"""Threads and processes of the master; of a worker: all lock waiters, asyncio's threads (at most 32),
lookups, databases, folder sources; and of each of its renders: a thread, and a process with its threads.
"""

_STATE = Path("/var/lib")


def service(config: Config, command: Sequence[str], data: Path, user: str, *, socket: bool) -> str:
    """Return coverproxy.service. *command*: the words of ExecStart. *data*: the data folder, absolute.

    *socket*: whether a coverproxy.socket provides the address.
    """
    workers = config.server.workers
    is_state = data.parent == _STATE
    return filled(
        "coverproxy.service.jinja",
        path=FOLDER / "coverproxy.service",
        socket=socket,
        command=" ".join(_quoted(word) for word in command),
        user=user,
        stop_seconds=int(config.server.stop_seconds) + 5,
        state_directory=data.name if is_state else "",
        data=_quoted(str(data)),
        at_home=any(data.is_relative_to(home) or command[0].startswith(home) for home in ("/home", "/root")),
        memory_mib=_BASE_MIB + (_WORKER_MIB + _decoding_mib(config)) * workers,
        tasks=_BASE_TASKS + (_WORKER_TASKS + _RENDER_TASKS * config.render.threads) * workers,
    )


def _decoding_mib(config: Config) -> int:
    return -(-config.limits.max_decoded_bytes * config.render.threads // 2**20)


def socket(config: Config) -> str:
    """Return coverproxy.socket, which listens where the service would."""
    host, port = config.server.host, config.server.port
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return filled("coverproxy.socket.jinja", path=FOLDER / "coverproxy.socket", address=address)


def _quoted(word: str) -> str:
    """Quote a word for systemd, if necessary, and double % and $."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if any(char in plain for char in " \t\"'\\"):
        return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return plain
