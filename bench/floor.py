"""A server that answers every request at once with the same bytes: who waits there waits for a core."""

import contextlib
import multiprocessing
import select
import socket
from collections.abc import Iterator

_RECEIVED_BYTES = 65_536


@contextlib.contextmanager
def running(length: int) -> Iterator[str]:
    """Run it in a process of its own, with a body of so many bytes; yield its URL."""
    head = f"HTTP/1.1 200 OK\r\nX-Cover-Status: hit\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = (listener, head.encode() + b"x" * length)
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=arguments, daemon=True)
        process.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.terminate()
            process.join()


def _serve(listener: socket.socket, answer: bytes) -> None:
    """Answer until this process is ended."""
    listener.setblocking(False)
    connections: dict[int, socket.socket] = {}
    with select.epoll() as events:
        events.register(listener, select.EPOLLIN)
        while True:
            for number, _ in events.poll():
                if number == listener.fileno():
                    with contextlib.suppress(BlockingIOError):
                        connection, _ = listener.accept()
                        connections[connection.fileno()] = connection
                        events.register(connection, select.EPOLLIN)
                elif connections[number].recv(_RECEIVED_BYTES):
                    connections[number].sendall(answer)
                else:
                    connections.pop(number).close()
