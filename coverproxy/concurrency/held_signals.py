"""Starts a child that the terminal's signals do not reach, not even before it could ignore them."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GROUP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1})
"""What reaches a whole process group: Ctrl-C, the end of a terminal, a supervisor's wishes."""


@contextmanager
def held(signals: frozenset[signal.Signals]) -> Iterator[Callable[[], None]]:
    """Hold back *signals* from this thread; what starts meanwhile never gets them.

    A child that dies of Ctrl-C while Python imports would write a traceback to our standard error. Ignoring
    the signals instead (signal.signal) is allowed in the main thread only, and loses what comes meanwhile.

    Yields a function that lets them in at once: those that came act there, or where the block ends.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)

    def let_in() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield let_in
    finally:
        let_in()
