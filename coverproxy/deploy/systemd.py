"""systemd's units for the service, made from its config: text from values, nothing else."""

from collections.abc import Sequence
from pathlib import Path

from coverproxy.concurrency.file_locks import WAITERS
from coverproxy.config import Config
from coverproxy.deploy.template import filled

FOLDER = Path("/etc/systemd/system")

_BASE_MIB, _WORKER_MIB = 256, 200
"""The master, and a worker without what it is decoding: each of its renders may take max_decoded_bytes."""

LOCKS = 3
"""Sets of locks that a worker has: for covers, for questions to sources, for decodes."""

_BASE_TASKS, _WORKER_TASKS, _RENDER_TASKS = 32, LOCKS * WAITERS + 64, 16
"""The master; a worker: all that wait for locks, asyncio's threads (at most 32), lookups, databases, folders
that are sources; and each of its renders: a thread, and a process with what its decoders start."""

_STATE = Path("/var/lib")


def service(config: Config, command: Sequence[str], data: Path, user: str, *, socket: bool) -> str:
    """Write coverproxy.service. *command*: the words of ExecStart. *data*: the data folder, absolute.

    *socket*: whether its address is a coverproxy.socket's.
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
    """Write coverproxy.socket, which listens where the service would."""
    host, port = config.server.host, config.server.port
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return filled("coverproxy.socket.jinja", path=FOLDER / "coverproxy.socket", address=address)


def _quoted(word: str) -> str:
    """Write a word so that systemd takes it as one: quoted where it has to be, with % and $ doubled."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if any(char in plain for char in " \t\"'\\"):
        return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return plain
