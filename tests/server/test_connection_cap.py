"""A real service below a low limit of open files, with more idle connections than it may have."""

import contextlib
import json
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import COMMAND, ENVIRONMENT, data, get, key

__all__ = ["data"]

FILES = 1024
IDLE = 1600


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let the test itself open enough sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine lets a process open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_idle_connections_stop_nobody_and_fill_no_log(data: Path, tmp_path: Path) -> None:
    """With `ulimit -n 1024` and 1,600 idle connections covers are served, and the log has one line of it.

    The cap is below the limit of files, so that databases, covers and sources can still be opened.
    """
    name = key(data)
    limited = ["sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh", *COMMAND]
    log = tmp_path / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*limited, "serve", "--data", str(data), "--port", "0", "--json"],
            stdout=subprocess.PIPE, stderr=errors, text=True, env=ENVIRONMENT | {"COVERPROXY_OPS__PORT": "0"},
        )  # fmt: skip
    assert process.stdout
    try:
        url = json.loads(process.stdout.readline())["url"]
        with contextlib.ExitStack() as stack:
            host, port = url.removeprefix("http://").split(":")
            for _ in range(IDLE):
                stack.enter_context(socket.create_connection((host, int(port)), timeout=5))
            time.sleep(1)
            answers = [
                get(f"{url}/devkey/{name}/{size}/isbn/9780000000002")[0]
                for size in ("small", "medium", "large")
            ]
            page = get(f"{url}/status")[0]
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()

    told = log.read_text()
    assert (answers, page) == ([200, 200, 200], 200)
    assert told.count("too many connections") == 1, told[-2000:]
    assert "Too many open files" not in told
