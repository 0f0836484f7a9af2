"""A service that is stopped while clients still send ends in order, and says nothing of its own tasks."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from conftest import COVERED
from running import Serve, data, key, serve

__all__ = ["data", "serve"]  # fixtures

CLIENTS = 12
TOKEN = "a token that nobody guesses"  # noqa: S105 - a test's


def test_slow_uploads_end_with_the_service(serve: Serve, data: Path, tmp_path: Path) -> None:
    """On SIGTERM those that are being sent are given up: the exit code is 0, nothing is left in the folder of
    incoming files, and no task is destroyed while it is pending."""
    name = key(data)
    served = serve(
        "--workers", "1", COVERPROXY_SERVER__STOP_SECONDS="1", COVERPROXY_UPLOAD__AT_ONCE="8",
        COVERPROXY_ADMIN__TOKEN=TOKEN,
    )  # fmt: skip
    address = urlsplit(served.url)
    head = (
        f"PUT /devkey/{name}/original/isbn/{COVERED} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: image/jpeg\r\nContent-Length: 999999\r\n\r\n"
    )
    incoming = data / "originals" / "tmp"
    with ExitStack() as opened:
        for _ in range(CLIENTS):
            client = socket.create_connection((str(address.hostname), address.port or 0))
            opened.enter_context(client)
            client.sendall(head.encode() + b"\xff\xd8\xff" + bytes(2000))
        deadline = time.monotonic() + 20
        while len(list(incoming.iterdir())) < 8:
            assert time.monotonic() < deadline, "the uploads must begin"
            time.sleep(0.02)
        code = served.stop()

    log = (tmp_path / "log").read_text()
    assert (code, list(incoming.iterdir())) == (0, [])
    assert "destroyed" not in log, log[-2000:]
    assert "Traceback" not in log, log[-2000:]
