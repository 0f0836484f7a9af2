"""A way to a server that can be cut: connections pass, are refused, or fall silent as on a torn cable."""

import contextlib
import selectors
import socket
import threading
import time
from types import TracebackType


class CutProxy:
    """Passes TCP connections on to *port* of this machine, in a thread, while `mode` is "pass"."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = int(self._listener.getsockname()[1])
        self.mode = "pass"
        self.delay = 0.0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._is_over = False
        self._guard = threading.RLock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "CutProxy":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._thread.join(5)
        self.refuse()
        self._listener.close()

    def refuse(self) -> None:
        """End all connections, and every new one at once: as a server that is down."""
        with self._guard:
            self.mode = "refuse"
            for pair in self._pairs:
                _close(pair)
            self._pairs.clear()

    def fall_silent(self) -> None:
        """Pass nothing on, and tell nobody: as a torn cable."""
        self.mode = "silent"

    def heal(self) -> None:
        """Let connections pass again; those that fell silent are reset."""
        self.refuse()
        self.mode = "pass"

    def _run(self) -> None:
        while not self._is_over:
            self._accept()
            with self._guard:
                if self.mode == "pass":
                    self._pump(0.02)

    def _accept(self) -> None:
        self._listener.settimeout(0.001 if self._pairs else 0.02)
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        with self._guard:
            try:
                if self.mode == "refuse":
                    raise ConnectionRefusedError
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                client.close()
            else:
                self._pairs.append((client, server))

    def _pump(self, seconds: float) -> None:
        with selectors.DefaultSelector() as selector:
            for pair in list(self._pairs):
                for one, other in (pair, pair[::-1]):
                    with contextlib.suppress(OSError, ValueError):
                        selector.register(one, selectors.EVENT_READ, (other, pair))
            for key, _ in selector.select(seconds) if selector.get_map() else ():
                self._pass_on(key.fileobj, *key.data)  # type: ignore[arg-type]

    def _pass_on(self, source: socket.socket, target: socket.socket, pair: tuple[socket.socket, ...]) -> None:
        try:
            body = source.recv(65_536)
            self._hold_back()
            if body:
                target.sendall(body)
                return
        except OSError:
            pass
        _close(pair)
        with contextlib.suppress(ValueError):
            self._pairs.remove(pair)  # type: ignore[arg-type]

    def _hold_back(self) -> None:
        """Wait for as long as `delay` says, or until it says nothing any more."""
        began = time.monotonic()
        while time.monotonic() - began < self.delay and not self._is_over:
            time.sleep(0.02)


def _close(pair: tuple[socket.socket, ...]) -> None:
    for each in pair:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
