"""Runs commands from a process that has imported the product once: a fork takes a tenth of a start.

Each is a process as any other, with arguments, environment, folder, files and exit code of its own. Only the
interpreter's start and the imports are shared.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, TextIO

IMPORTED = (
    "coverproxy.cli", "coverproxy.cache.janitor", "coverproxy.cache.stats", "coverproxy.cache.sweep",
    "coverproxy.cache.verify", "coverproxy.deploy.nginx", "coverproxy.deploy.systemd",
    "coverproxy.doctor.run", "coverproxy.service.backup", "coverproxy.service.book_json",
    "coverproxy.service.links", "coverproxy.service.prewarm", "coverproxy.service.reports",
    "coverproxy.wiring.accounts", "coverproxy.wiring.commands", "coverproxy.wiring.feeds",
    "coverproxy.wiring.prewarm",
    "multiprocessing.spawn",
)  # fmt: skip
"""What the commands import. None of it starts threads or loads libvips, which survives no fork."""

SERVING = (
    "coverproxy.server.application", "coverproxy.server.boot_checks", "coverproxy.server.supervisor",
    "coverproxy.service.databases", "uvloop",
)  # fmt: skip
"""What `serve` imports beside it: its master, which forks workers itself."""

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder of the metrics. `serve` sets it before its imports, which ask only whether it is set."""

AFRESH = ("demo",)
"""Commands that keep metrics as `serve` does not, and import as much."""

AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")
"""Prefixes of the variables that an interpreter reads when it starts: too late for one that runs."""

MOST_BYTES = 1_000_000


class Forked:
    """A process that a nursery has forked; it is asked as a subprocess.Popen is."""

    def __init__(self, arguments: Sequence[str], told: socket.socket) -> None:
        self.args = arguments
        self.stdout: TextIO | None = None
        self.errors: IO[str] | None = None
        self._told = told
        self.pid = int(told.recv(20))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once it has ended. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            with self._told:
                code, seconds = self._told.recv(40).split()
            self.returncode = int(code)
            Nursery.spent += float(seconds)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it prints to its end, if a pipe holds that, and its errors. Raises TimeoutExpired."""
        self.wait(timeout)
        said = ["", ""]
        if self.errors:
            self.errors.seek(0)
        for at, file in enumerate((self.stdout, self.errors)):
            if file:
                with file:
                    said[at] = file.read()
        return said[0], said[1]

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """End it by SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind:
            self.kill()  # the test has failed, and might wait without end
        if self.stdout:
            self.stdout.close()
        self.wait()


class Nursery:
    """The process that forks. It ends when ours does, as its input closes."""

    spent = 0.0
    """CPU seconds of all commands that have ended."""

    def __init__(self, before: Sequence[str], is_serving: bool) -> None:
        self._environment = dict(os.environ)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [*before, sys.executable, __file__, *(["serving"] if is_serving else [])]
        with theirs:
            self._process = subprocess.Popen(command, stdin=theirs.fileno())
        atexit.register(self.close)

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait()

    def can_run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Return whether a fork would be as an interpreter that starts afresh in that environment."""
        is_the_same = _at_start(environment) == _at_start(self._environment)
        return is_the_same and not set(arguments[:1]) & {*AFRESH}

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float, sent: bytes = b""
    ) -> subprocess.CompletedProcess[str]:
        """Run the command with those arguments to its end, in our folder; *sent*: its standard input."""
        with (
            _pipe_of(sent) if sent else open(os.devnull, "rb") as given,  # noqa: PTH123 - as subprocess opens it
            TemporaryFile("w+", encoding="utf-8") as out, TemporaryFile("w+", encoding="utf-8") as err,
        ):  # fmt: skip
            process = self._forked(arguments, environment, [given, out, err])
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read(), err.read())

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], stderr: IO[Any] | int,
        *, script: str = "", session: bool = False,
    ) -> Forked:  # fmt: skip
        """Start the command, or a script, in our folder; a pipe from its standard output is its `stdout`.

        *session*: in a session of its own.
        """
        read, write = os.pipe()
        with open(os.devnull, "r+b", buffering=0) as given, os.fdopen(write, "wb") as out:  # noqa: PTH123
            errors = TemporaryFile("w+", encoding="utf-8") if stderr == subprocess.PIPE else None  # noqa: SIM115
            files = [given, out, errors or (given if stderr == subprocess.DEVNULL else stderr)]
            process = self._forked(arguments, environment, files, script, session)
        process.stdout, process.errors = os.fdopen(read, encoding="utf-8"), errors
        return process

    def _forked(
        self, arguments: Sequence[str], environment: Mapping[str, str], files: Sequence[IO[Any] | int],
        script: str = "", session: bool = False,
    ) -> Forked:  # fmt: skip
        wish = {
            "arguments": arguments, "environment": dict(environment), "cwd": os.getcwd(),  # noqa: PTH109
            "script": script, "session": session,
        }  # fmt: skip
        told, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            handed = [each if isinstance(each, int) else each.fileno() for each in (*files, theirs)]
            socket.send_fds(self._socket, [json.dumps(wish).encode()], handed)
        return Forked(arguments, told)


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(AT_START)}


def _pipe_of(sent: bytes) -> BinaryIO:
    """A pipe with some bytes in it, which its writer has closed."""
    read, write = os.pipe()
    with os.fdopen(write, "wb", buffering=0) as into:
        os.set_blocking(write, False)
        assert into.write(sent) == len(sent), "more than a pipe holds"
    return os.fdopen(read, "rb")


@cache
def nursery(is_serving: bool = False, before: Sequence[str] = ()) -> Nursery:
    """The nursery for `serve`, or for other commands; it starts with the first.

    *before*: the command that runs it.
    """
    return Nursery(before, is_serving)


class _Forking:
    """The nursery's side: takes wishes, forks, and tells how each child ended."""

    def __init__(self) -> None:
        self._wishes = socket.socket(fileno=os.dup(0))
        self._ended, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._woken)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # or nothing wakes us
        self._children: dict[int, socket.socket] = {}

    def wish(self) -> dict[str, Any] | None:
        """Fork for each wish. Return the wish in its child, and None here when there will be none."""
        while True:
            ready, _, _ = select.select([self._wishes.fileno(), self._ended], [], [])
            if self._ended in ready:
                os.read(self._ended, 512)
                self._tell_ends()
            elif ready:
                message, files, _, _ = socket.recv_fds(self._wishes, MOST_BYTES, 4)
                if not message:
                    return None
                if not (number := os.fork()):
                    wish = dict(json.loads(message))
                    self._leave(files, is_session=wish["session"])
                    return wish
                self._keep(number, files)

    def _keep(self, number: int, files: list[int]) -> None:
        self._children[number] = socket.socket(fileno=files.pop())
        for each in files:
            os.close(each)

    def _tell_ends(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                number, status, used = ended
                with self._children.pop(number) as told, suppress(BrokenPipeError):
                    told.send(b"%d %f" % (os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime))

    def _leave(self, files: list[int], *, is_session: bool) -> None:
        """In a child: close what is the nursery's, take the command's own files, and tell its number."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._wishes, *self._children.values()):
            each.close()
        for number, file in enumerate(files[:3]):
            os.dup2(file, number)
        if is_session:
            os.setsid()
        with socket.socket(fileno=files.pop()) as told:
            told.send(str(os.getpid()).encode())
        for file in (self._ended, self._woken, *files):
            os.close(file)


def main() -> None:
    """Be a nursery, and in each of its children the command."""
    sys.path.pop(0)  # the folder of this file
    names: tuple[str, ...] = IMPORTED
    if sys.argv[1:]:
        names += SERVING
        os.environ[METRICS_FOLDER] = os.devnull  # each child sets it again
    for name in names:
        importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - not a folder of ours
    gc.freeze()
    if wish := _Forking().wish():
        _become(wish)


def _become(wish: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(wish["environment"])
    time.tzset()
    os.chdir(wish["cwd"])
    script = wish["script"]
    sys.path.insert(0, os.path.dirname(script) if script else wish["cwd"])  # noqa: PTH120 - as Python does
    sys.argv = [script or "coverproxy", *wish["arguments"]]
    if script:
        runpy.run_path(script, run_name="__main__")
    else:
        runpy.run_module("coverproxy", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
