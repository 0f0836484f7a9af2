"""The benchmarks' client: asks at given moments, and tells each answer with the time since its moment."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1]))

from bench import client
from bench.client import Answer, Ask

Answering = Callable[[bytes], bytes]


def answer(label: str = "hit", body: bytes = b"picture", more: str = "") -> bytes:
    """Return a whole answer."""
    lines = f'X-Cover-Status: {label}\r\nContent-Length: {len(body)}\r\nETag: "v1"\r\n{more}'
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body


class Server:
    """Answers each request as *answering* says; b"": it closes the connection. Keeps the requests' heads."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads: list[bytes] = []
        self.connections = 0
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            self.connections += 1
            self._start(partial(self._serve, connection))

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while head := connection.recv(9999):
                self.heads.append(head)
                told = self._answering(head)
                if not told:
                    return
                for at in range(0, len(told), 50):  # in pieces
                    connection.sendall(told[at : at + 50])

    def close(self) -> None:
        """End all threads: those of open connections once the client has closed them."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def served() -> Iterator[Callable[[Answering], Server]]:
    """Start servers that end with the test."""
    servers: list[Server] = []

    def start(answering: Answering) -> Server:
        servers.append(Server(answering))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def asked(server: Server, *asks: Ask) -> list[Answer]:
    """Return all answers."""
    answers: list[Answer] = []
    client.run(server.url, asks, answers.append, "image/avif", niceness=0)
    return sorted(answers)


def test_it_tells_each_answer_and_asks_again_on_the_same_connection(
    served: Callable[[Answering], Server],
) -> None:
    """Status, label and length are the answer's; the second request has no connection of its own."""
    server = served(lambda _: answer("made", b"x" * 5000))
    first, second = asked(server, Ask(0.0, "/a", "one"), Ask(0.3, "/b", "two", "GET"))
    assert first[:2] + first[3:] == (0.0, "one", 200, "made", 5000)
    assert second[:2] + second[3:] == (0.3, "two", 200, "made", 5000)
    assert server.connections == 1
    assert server.heads[0].startswith(b"GET /a HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Accept: image/avif\r\n" in server.heads[0]


def test_who_is_held_up_is_timed_from_the_moment_of_the_request(
    served: Callable[[Answering], Server],
) -> None:
    """A server that stalls is not spared those who come meanwhile: each has waited since it came."""

    def slowly(_: bytes) -> bytes:
        time.sleep(0.3)
        return answer()

    first, second = asked(served(slowly), Ask(0.0, "/a"), Ask(0.01, "/b"))
    assert first.seconds >= 0.3
    assert second.seconds >= 0.29


def test_a_condition_is_sent_once_a_cover_was_seen(served: Callable[[Answering], Server]) -> None:
    """A reader who has a cover asks whether it has changed; a 304 and HEAD have no body to wait for."""

    def answering(head: bytes) -> bytes:
        if b"If-None-Match" in head:
            return b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"
        return answer(body=b"" if head.startswith(b"HEAD") else b"picture")

    server = served(answering)
    asks = Ask(0.0, "/a"), Ask(0.2, "/a", is_conditional=True), Ask(0.4, "/b", method="HEAD")
    assert [each.status for each in asked(server, *asks)] == [200, 304, 200]
    assert b'\r\nIf-None-Match: "v1"\r\n' in server.heads[1]


def test_a_connection_that_ends_is_a_failure_and_the_next_has_another(
    served: Callable[[Answering], Server],
) -> None:
    """A request without an answer is told with the failure's name; Connection: close is obeyed."""
    server = served(
        lambda head: (
            b"" if b"/gone" in head else answer(more="Connection: close\r\n" if b"/last" in head else "")
        )
    )
    asks = Ask(0.0, "/gone"), Ask(0.2, "/last"), Ask(0.4, "/next")
    told = asked(server, *asks)
    assert [(each.status, each.label) for each in told] == [
        (0, "ConnectionResetError"),
        (200, "hit"),
        (200, "hit"),
    ]
    assert server.connections == 3


def test_a_server_that_is_not_there_is_a_failure() -> None:
    """Nobody listens: that is told, and nothing hangs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answers: list[Answer] = []
    client.run(f"http://127.0.0.1:{port}", [Ask(0.0, "/a")], answers.append, niceness=0)
    assert [(each.status, each.label) for each in answers] == [(0, "ConnectionRefusedError")]


def test_more_than_the_most_connections_wait(
    served: Callable[[Answering], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all connections are taken, the next request waits for one, and is timed from its own moment."""
    monkeypatch.setattr(client, "MOST_CONNECTIONS", 1)

    def slowly(_: bytes) -> bytes:
        time.sleep(0.2)
        return answer()

    server = served(slowly)
    told = asked(server, *(Ask(0.0, f"/{each}") for each in "abc"))
    assert server.connections == 1
    assert max(each.seconds for each in told) >= 0.6
