"""The watchdog: a thread that ends renders that take too long."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from coverproxy.domain.errors import UnusableOriginal

HUNG_AFTER = 2
"""Times the limit after which a render that cannot be stopped is taken for hung."""


class Run:
    """One render under way. The watchdog counts its own rounds, never a clock.

    So a machine that stood still (SIGSTOP, a paused VM) condemns nobody when it goes on.
    """

    def __init__(self, limit: float) -> None:
        self.thread = threading.get_ident()
        self.rounds = 0
        self.is_over = False
        self._limit = limit
        self._images: tuple[Any, ...] = ()

    def hold(self, *images: Any) -> None:
        """Name the libvips images whose pixels are about to be made. Raises UnusableOriginal("slow")."""
        # MUST be in this order, as stop() has it the other way round: one of the two always sees the other.
        self._images = images
        if self.is_over:
            raise UnusableOriginal("slow", f"not rendered within {self._limit:g} s")

    def stop(self) -> None:
        """Have libvips stop at its next strip of pixels. Not heeded within one call of a decoder."""
        self.is_over = True
        for image in self._images:
            image.set_kill(True)


class Watchdog:
    """Stops renders at *limit* seconds; `on_hang` is told the thread of one that does not heed it.

    A thread, and no progress handler of libvips: that one is called a score of times a render.
    """

    def __init__(self, limit: float, on_stop: Callable[[], None], on_hang: Callable[[int], None]) -> None:
        self._limit = limit
        self._pause = min(max(limit / 20, 0.005), 0.5)
        self._on_stop = on_stop
        self._on_hang = on_hang
        self._runs: set[Run] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    @contextmanager
    def watching(self) -> Iterator[Callable[..., None]]:
        """Watch what this thread renders; gives what render() calls with its images."""
        run = Run(self._limit)
        self._runs.add(run)
        try:
            yield run.hold
        finally:
            self._runs.discard(run)

    def _watch(self) -> None:
        while not self._ended.wait(self._pause):
            for run in tuple(self._runs):
                run.rounds += 1
                self._look_at(run, run.rounds * self._pause)

    def _look_at(self, run: Run, seconds: float) -> None:
        if seconds > HUNG_AFTER * self._limit:
            self._on_hang(run.thread)
        elif seconds > self._limit and not run.is_over:
            run.stop()
            self._on_stop()

    def close(self) -> None:
        """Stop watching."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
