"""A service that is stopped while clients still send ends in order, and says nothing of its own tasks."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from conftest import COVERED
from running import Serve, data, key, serve

from coverproxy.server.supervisor import LingeringRunner

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


LINGER = 120.0
"""Much longer than any machine takes for what is waited for."""


def stopped(client: threading.Thread | None, listening: socket.socket) -> float:
    """Serve until the client has connected, then stop; return how many seconds that took."""

    async def stopping() -> float:
        async def empty(request: web.Request) -> web.Response:
            return web.Response()

        app = web.Application()
        app.router.add_get("/", empty)
        runner = LingeringRunner(app, lambda made: web.SockSite(made, listening), LINGER)
        await runner.setup()
        if client:
            client.start()
            while not (runner.server and runner.server.connections):
                await asyncio.sleep(0.01)
        began = time.monotonic()
        await runner.cleanup()
        return time.monotonic() - began

    return asyncio.run(stopping())


def test_a_worker_without_connections_stops_at_once() -> None:
    """Nobody is waited for where no connection is open."""
    assert stopped(None, socket.create_server(("127.0.0.1", 0))) < LINGER / 2


def test_a_worker_stops_once_its_last_client_has_gone() -> None:
    """Who has connected and not asked yet is answered, though nobody new is; then the worker stops."""
    listening = socket.create_server(("127.0.0.1", 0))
    answers: list[bytes] = []

    def ask() -> None:
        with socket.create_connection(listening.getsockname()) as asking:
            while listening.fileno() >= 0:  # the worker has begun to stop
                time.sleep(0.01)
            asking.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answers.append(asking.makefile("rb").read())

    client = threading.Thread(target=ask)
    assert stopped(client, listening) < LINGER / 2
    client.join()
    assert answers[0].startswith(b"HTTP/1.1 200 OK")
