"""Changes by other processes and nodes: notified by PostgreSQL at once, caught up if one was missed."""

import threading
import time
from collections.abc import Callable, Collection

import psycopg

from coverproxy.storage.postgres_pool import BoundedConnection, parameters, place, told

CHANNEL = "coverproxy"

KEYS, BOOKS, CATALOGUE = "keys", "books", "catalogue"
"""Topics: keys; books whose derivatives are invalid; anything else that catalogue answers depend on."""

CONNECTED = "connected"
"""A topic that is never notified: called before all others once the connection is made."""

_ASK_SECONDS = 1.0
"""How often a silent server is queried, to notice a cut connection."""

_LOOK_SECONDS = 0.2
"""How long it takes until the end of the service is noticed, at most."""

_AGAIN_SECONDS = 0.3
"""Between tries to reach the server again."""


class PostgresNews:
    """Listens in a thread of its own, on a connection of its own: LISTEN is session state.

    So *url* MUST lead to the server itself, not through PgBouncer's transaction mode. What on() is given is
    called in that thread and MUST be short; all of it whenever the connection is made anew, as anything may
    have been missed. `on_fault` is told why there is no connection, `fault` says so ("": there is one).
    """

    def __init__(self, url: str, on_fault: Callable[[str], None] = lambda why: None) -> None:
        self._url = url
        self.on_fault = on_fault
        self._calls: dict[str, list[Callable[[], object]]] = {}
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._heard = threading.Event()
        self._guard = threading.Lock()
        self._number = time.time_ns()
        self.fault = "not connected yet"

    def on(self, topic: str, call: Callable[[], object]) -> None:
        """Have something called whenever *topic* may have changed. MUST come before start()."""
        self._calls.setdefault(topic, []).append(call)

    def start(self) -> None:
        """Listen from now on."""
        self._thread = threading.Thread(target=self._run, name="news", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End listening."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(5)

    def wait(self, seconds: float) -> bool:
        """Wait until it listens; say whether it does."""
        return self._heard.wait(seconds)

    def rise(self) -> None:
        """Have number() return another one."""
        with self._guard:
            self._number += 1

    def number(self) -> int:
        """Return a number that differs once anything may have changed, or while nothing listens."""
        if not self._heard.is_set():
            self.rise()
        return self._number

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except psycopg.Error as exc:
                self._heard.clear()
                self.fault = told(exc)
                self.on_fault(f"{place(self._url)}: {self.fault}")
            self._stopped.wait(_AGAIN_SECONDS)

    def _listen(self) -> None:
        with BoundedConnection.connect(**parameters(self._url), autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")  # before anything is read: later changes are notified
            self.fault = ""
            self._heard.set()
            self._tell(dict.fromkeys((CONNECTED, *self._calls)))
            asked = time.monotonic()
            while not self._stopped.is_set():
                topics = {
                    notice.payload for notice in connection.notifies(timeout=_LOOK_SECONDS, stop_after=1)
                }
                self._tell(topics)
                if time.monotonic() - asked >= _ASK_SECONDS:
                    connection.execute("SELECT 1")
                    asked = time.monotonic()

    def _tell(self, topics: Collection[str]) -> None:
        if topics:
            self.rise()
        for topic in topics:
            for call in self._calls.get(topic, ()):
                call()
