"""Programs that benchmarks run on loopback: the service, nginx before it; their memory and CPU time."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from bench import books

PATIENT = {"render": {"answer_within_seconds": 60.0}}
"""For what measures how fast covers are made: nobody is told to ask again."""

_FILES = 65536
"""How many files a worker of nginx gets to open, where the hard limit is not lower."""

_LIMITS = {
    "Too many open files": "open files (RLIMIT_NOFILE is {files})",
    "setrlimit(RLIMIT_NOFILE": "open files (it could not be raised to {files})",
    "worker_connections are not enough": "connections (worker_connections)",
    "worker_connections exceed": "open files (fewer than worker_connections)",
    "No space left on device": "disk space",
    "Cannot allocate memory": "memory",
}
"""What stands in nginx's error log when it runs into a limit, and what that limit is of."""

_START_SECONDS = 30.0
_STOP_SECONDS = 30.0


class Skipped(Exception):
    """A rival that cannot run here, with the reason."""


class Served(NamedTuple):
    """A running service: addresses without a slash at the end, a key without limit, and its master's id."""

    url: str
    ops_url: str
    key: str
    process: int
    folder: Path

    def path(self, number: int, size: str = "medium") -> str:
        """Return the path of a cover of the benchmark's book of that number."""
        return f"/devkey/{self.key}/{size}/isbn/{books.isbn(number)}"

    def counted(self, series: str) -> int:
        """Return what one series of the service's metrics says, added up over all workers; 0 if not there."""
        with urllib.request.urlopen(f"{self.ops_url}/metrics", timeout=10) as answer:  # noqa: S310 - loopback
            lines = answer.read().decode().splitlines()
        return next((int(float(line.split()[-1])) for line in lines if line.startswith(f"{series} ")), 0)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.contextmanager
def running(
    command: Sequence[str], ports: Sequence[int], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run a program until the block ends, once it listens on all *ports*; yield its id.

    It leads a session of its own, so that all its processes end together. Raises Skipped with the end of its
    log where it does not come to listen.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command), stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})}, start_new_session=True, cwd=log.parent,
        )  # fmt: skip
    try:
        for port in ports:
            _await(port, process, log)
        yield process.pid
    finally:
        _end(process)


def _await(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise Skipped(f"{process.args!r:.80} does not listen: {said[-1] if said else 'it says nothing'}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
            return


@contextlib.contextmanager
def app(
    folder: Path, workers: int, settings: Mapping[str, Mapping[str, Any]] = PATIENT, key: str = "",
    program: Sequence[str] = (sys.executable, "-m", "coverproxy"), env: Mapping[str, str] | None = None,
) -> Iterator[Served]:  # fmt: skip
    """Run `coverproxy serve` with *workers* workers over a data folder; settings are by table and key.

    *program*: the product's command, or one that stands for it. *env*: what else its environment has.
    Makes a new developer key without limit, where none is given.
    """
    key = key or books.new_key(folder)
    ops = free_port()
    tables: dict[str, Mapping[str, Any]] = {"ops": {"port": ops}, "log": {"level": "warning"}, **settings}
    environment = {
        f"COVERPROXY_{table}__{name}".upper(): str(value)
        for table, values in tables.items()
        for name, value in values.items()
    }
    serving = ["serve", "--port", "0", "--workers", str(workers), "--data", str(folder), "--json"]
    process = subprocess.Popen(
        [*program, *serving],
        stdout=subprocess.PIPE, env={**os.environ, **environment, **(env or {})},
    )  # fmt: skip
    assert process.stdout
    try:
        url = orjson.loads(process.stdout.readline())["url"]
        yield Served(url, f"http://127.0.0.1:{ops}", key, process.pid, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_SECONDS)
        process.stdout.close()


@contextlib.contextmanager
def nginx(folder: Path, http: str, port: int, *, workers: int = 2, main: str = "") -> Iterator[str]:
    """Run nginx with *http* inside its http context and *main* at the top; yield its URL.

    Its workers run as whoever runs this, so that they may read what lies in a temporary folder. They may
    open as many files as this process may at most; a limit that nginx ran into is told on standard error.
    """
    binary = program("nginx", "nginx")
    folder.mkdir(parents=True, exist_ok=True)
    user = "user root root;" if os.geteuid() == 0 else ""
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in paths)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = min(hard, _FILES) if hard >= 0 else _FILES
    (folder / "nginx.conf").write_text(
        f"{main}\n{user} daemon off; worker_processes {workers}; worker_rlimit_nofile {files};\n"
        f"pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 4096; }}\nhttp {{ {temporary}\n{http}\n}}\n",
        encoding="utf-8",
    )
    command = [binary, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with running(command, [port], folder / "said.log"):
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            for limit in limits_met(folder / "error.log", files):
                print(f"{folder.name}: {limit}", file=sys.stderr, flush=True)


def nginx_workers(folder: Path, count: int = 2) -> tuple[int, ...]:
    """Return the ids of the workers of an nginx that runs in *folder*."""
    deadline = time.monotonic() + _START_SECONDS
    while not (said := _text(folder / "nginx.pid")):  # it listens before it says its id
        assert time.monotonic() < deadline, "nginx does not say its id"
        time.sleep(0.02)
    return tuple(workers_of(int(said), count))


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def limits_met(error_log: Path, files: int) -> list[str]:
    """Say which limits nginx ran into, by its error log; *files*: how many a worker may open."""
    lines = error_log.read_text(encoding="utf-8", errors="replace").splitlines() if error_log.exists() else []
    said = []
    for sign, limit in _LIMITS.items():
        if met := [line for line in lines if sign in line]:
            said.append(
                f"nginx ran into its limit of {limit.format(files=files)}, {len(met)} times: {met[0]}"
            )
    return said


@contextlib.contextmanager
def front(folder: Path, served: Served, *, open_files: int = 0) -> Iterator[str]:
    """Run nginx with the product's own configuration before a running service; yield its URL.

    It keeps no access log, as the rivals keep none. *open_files*: front.open_files, 0 as by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, config = free_port(), folder / "front.toml"
    address = served.url.removeprefix("http://")
    config.write_text(
        f'[data]\ndir = "{served.folder}"\n\n'
        f'[front]\nlisten = ["127.0.0.1:{port}"]\napps = ["{address}"]\naccess_log = ""\n'
        f"open_files = {open_files}\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "coverproxy", "nginx-conf", "--config", str(config)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Skipped(f"coverproxy nginx-conf: {made.stderr.strip().splitlines()[-1]}")
    with nginx(folder, made.stdout, port, main="pcre_jit on;") as url:  # as its first lines say
        yield url


def program(name: str, package: str) -> str:
    """Return the path of a program. Raises Skipped where it is not installed."""
    from shutil import which

    found = which(name) or which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise Skipped(f"{name} is not installed (Debian: apt install {package})")
    return found


def family(process: int) -> list[int]:
    """Return a process and all below it: a worker has its render processes."""
    parents, found = _parents(), [process]
    for known in found:  # grows while it is walked: children of children
        found += [child for child, parent in parents.items() if parent == known]
    return found


def children(process: int) -> list[int]:
    """Return the processes right below one: a master's workers."""
    return [each for each, parent in _parents().items() if parent == process]


def _parents() -> dict[int, int]:
    """Return the parent of every process."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
    return parents


def workers_of(process: int, count: int) -> list[int]:
    """Return the ids of a master's *count* workers. It says its URL before they all are there."""
    deadline = time.monotonic() + _START_SECONDS
    while len(found := children(process)) < count:
        assert time.monotonic() < deadline, "the workers did not come"
        time.sleep(0.05)
    return sorted(found)


def resident_mib(process: int) -> float:
    """Return a process's resident memory in MiB (/proc). One that is gone is not flat at all: that raises."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def family_mib(process: int) -> float:
    """Return the same of a process and all below it; a render process may end meanwhile, and be replaced."""
    total = resident_mib(process)
    for child in family(process)[1:]:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += resident_mib(child)
    return total


def cpu_seconds(processes: Sequence[int]) -> float:
    """Return the CPU time that these processes have taken so far, in user and kernel mode (/proc)."""
    ticks = 0
    for process in processes:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        ticks += sum(map(int, stat.rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")
