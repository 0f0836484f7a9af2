"""The commands as an operator runs them: real processes over a data folder of their own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
import pytest
from conftest import BROWSER, configured, fill
from ending import Ending
from forked import Forked, nursery

COMMAND = (sys.executable, "-m", "coverproxy")

Process = Ending[str] | Forked


def children(process: int) -> list[int]:
    """The processes that any thread of *process* has started."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(each) for task in tasks for each in (task / "children").read_text().split()]


def child_of(process: int, program: str) -> int:
    """Wait until *process* has started a *program*, and return that child's number."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        for child in children(process):
            with suppress(OSError):  # it may have ended
                if program in Path(f"/proc/{child}/cmdline").read_text():
                    return child
        time.sleep(0.005)
    raise AssertionError(f"{process} has not started {program}")


ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("COVERPROXY_")}


def ended(
    *arguments: object, env: Mapping[str, str] = ENVIRONMENT, timeout: float = 60, sent: bytes = b"",
    before: Sequence[str] = (),
) -> "subprocess.CompletedProcess[str]":  # fmt: skip
    """Run a command to its end, in a process of its own.

    *sent* comes from a pipe; *before*: the command that runs it, such as `setpriv`.
    """
    words = [*map(str, arguments)]
    if (forking := nursery("serve" in words, tuple(before))).can_run(words, env):
        return forking.run(words, env, timeout, sent)
    whole = [*before, *COMMAND, *words]
    done = subprocess.run(whole, input=sent, capture_output=True, timeout=timeout, env=env)
    return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())


def started(
    *arguments: object, env: Mapping[str, str] = ENVIRONMENT, stderr: IO[Any] | int = subprocess.DEVNULL,
    script: str | Path = "", session: bool = False, before: Sequence[str] = (),
) -> Process:  # fmt: skip
    """Start a command, or a script, in a process of its own, whose standard output is a pipe.

    *session*: in a session of its own; *before*: the command that runs it, such as `setpriv`.
    """
    words = [*map(str, arguments)]
    if (forking := nursery("serve" in words, tuple(before))).can_run(words, env):
        return forking.start(words, env, stderr, script=str(script), session=session)
    command = [*before, sys.executable, str(script)] if script else [*before, *COMMAND]
    return Ending(
        [*command, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True,
        env=env, start_new_session=session,
    )  # fmt: skip


def warned(*arguments: str | Path, **environment: str) -> str:
    """Run a command that goes well; return what it wrote to standard error."""
    done = ended(*arguments, env=ENVIRONMENT | environment)
    assert done.returncode == 0, done.stderr
    return done.stderr


def run(*arguments: str | Path, data: Path | None = None, code: int = 0, **environment: str) -> str:
    """Run a command to its end and return what it printed; its exit code must be *code*.

    What it failed with, where it did nothing (1) or was not understood (2).
    """
    place = ["--data", str(data)] if data else []
    done = ended(*arguments, *place, env=ENVIRONMENT | environment)
    assert done.returncode == code, done.stderr
    return done.stderr if code in (1, 2) else done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, drawn: Path, stocked: Path) -> Path:
    """A data folder with the drawn covers in."""
    folder = tmp_path_factory.mktemp("cli") / "data"
    fill(configured(folder), stocked, drawn)
    return folder


@dataclass
class Served:
    """A server in a process of its own."""

    process: Process
    url: str
    ops_url: str

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


Serve = Callable[..., Served]


@pytest.fixture
def serve(data: Path, tmp_path: Path) -> Iterator[Serve]:
    """A function that starts `coverproxy serve` with further arguments."""
    running: list[Served] = []

    def start(*arguments: str, **environment: str) -> Served:
        words = ["serve", "--data", data, "--port", "0", "--json", *arguments]
        free = {"COVERPROXY_OPS__PORT": "0"} | environment
        with (tmp_path / "log").open("w") as log:
            process = started(*words, env=ENVIRONMENT | free, stderr=log)
        assert process.stdout
        served = Served(process, **json.loads(process.stdout.readline()))
        running.append(served)
        return served

    yield start
    for served in running:
        if served.process.poll() is None:
            served.stop()
        if served.process.stdout:
            served.process.stdout.close()


def key(data: Path, *arguments: str) -> str:
    """Make a key and return its name."""
    return str(orjson.loads(run("key", "create", "--label", "tests", "--json", *arguments, data=data))["key"])


def get(url: str) -> tuple[int, dict[str, str], bytes]:
    """Ask for a URL as a browser would."""
    request = urllib.request.Request(url, headers=BROWSER)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, dict(exc.headers), exc.read()


def workers(served: Served) -> set[int]:
    """The worker processes of a server."""
    number = served.process.pid
    return {int(each) for each in Path(f"/proc/{number}/task/{number}/children").read_text().split()}


def held(worker: int) -> int:
    """The sockets that a worker has open."""
    return sum(_is_socket(each) for each in Path(f"/proc/{worker}/fd").iterdir())


def _is_socket(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()).startswith("socket:")
    except FileNotFoundError:  # closed a moment ago: a file that was being written
        return False
