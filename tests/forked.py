"""Runs commands from a process that has imported the product once: a fork takes a tenth of a start.

Each is a process as any other, with arguments, environment, folder, files and exit code of its own. Only the
interpreter's start and the imports are shared; servers, and commands that are interrupted, start afresh.
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
from typing import Any, BinaryIO

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

AFRESH = ("serve", "demo")
"""Commands that choose by the environment how metrics are kept, before they import it."""

AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")
"""Prefixes of the variables that an interpreter reads when it starts: too late for one that runs."""

MOST_BYTES = 1_000_000


class Nursery:
    """The process that forks. It ends when ours does, as its input closes."""

    spent = 0.0
    """CPU seconds of all commands that have ended."""

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen([sys.executable, __file__], stdin=theirs.fileno())
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
        wish = {"arguments": arguments, "environment": dict(environment), "cwd": os.getcwd()}  # noqa: PTH109
        with (
            _pipe_of(sent) if sent else open(os.devnull, "rb") as given,  # noqa: PTH123 - as subprocess opens it
            TemporaryFile("w+", encoding="utf-8") as out, TemporaryFile("w+", encoding="utf-8") as err,
        ):  # fmt: skip
            files = [given.fileno(), out.fileno(), err.fileno()]
            code = self._ended(json.dumps(wish).encode(), files, timeout)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read(), err.read())

    def _ended(self, wish: bytes, files: list[int], timeout: float) -> int:
        """Have the wish met; return the exit code."""
        told, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with told:
            with theirs:
                socket.send_fds(self._socket, [wish], [*files, theirs.fileno()])
            told.settimeout(timeout)
            number = int(told.recv(20))
            try:
                code, seconds = told.recv(40).split()
                Nursery.spent += float(seconds)
                return int(code)
            except TimeoutError:
                os.kill(number, signal.SIGKILL)
                raise


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
def nursery() -> Nursery:
    """The nursery of this process, which starts with its first command."""
    return Nursery()


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
                    self._leave(files)
                    return dict(json.loads(message))
                self._keep(number, files)

    def _keep(self, number: int, files: list[int]) -> None:
        told = self._children[number] = socket.socket(fileno=files.pop())
        told.send(str(number).encode())
        for each in files:
            os.close(each)

    def _tell_ends(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                number, status, used = ended
                with self._children.pop(number) as told, suppress(BrokenPipeError):
                    told.send(b"%d %f" % (os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime))

    def _leave(self, files: list[int]) -> None:
        """In a child: close what is the nursery's, and take the command's own files."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._wishes, *self._children.values()):
            each.close()
        for number, file in enumerate(files[:3]):
            os.dup2(file, number)
        for file in (self._ended, self._woken, *files):
            os.close(file)


def main() -> None:
    """Be a nursery, and in each of its children the command."""
    sys.path.pop(0)  # the folder of this file
    for name in IMPORTED:
        importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - not a folder of ours
    gc.freeze()
    if wish := _Forking().wish():
        os.environ.clear()
        os.environ.update(wish["environment"])
        time.tzset()
        os.chdir(wish["cwd"])
        sys.path.insert(0, wish["cwd"])
        sys.argv = ["coverproxy", *wish["arguments"]]
        runpy.run_module("coverproxy", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
