"""Signals that are held back while a child starts."""

import signal
import subprocess
import threading
from pathlib import Path

import pytest

from coverproxy.concurrency.held_signals import GROUP_SIGNALS, held


def test_a_child_never_gets_them() -> None:
    """What starts meanwhile is not ended by them, and other signals reach it."""
    with held(GROUP_SIGNALS):
        process = subprocess.Popen(["sleep", "60"])
    for number in GROUP_SIGNALS:
        process.send_signal(number)
    status = Path(f"/proc/{process.pid}/status").read_text()
    process.kill()

    waiting = next(line for line in status.splitlines() if line.startswith("ShdPnd:"))
    assert int(waiting.split()[1], 16) == sum(1 << number - 1 for number in GROUP_SIGNALS)
    assert process.wait(20) == -signal.SIGKILL


@pytest.mark.parametrize("at_once", [True, False])
def test_what_comes_meanwhile_acts_once_it_is_let_in(at_once: bool) -> None:
    """A Ctrl-C is kept, not lost: until it is let in, or the block ends."""
    told = []

    def interrupted() -> None:
        with held(frozenset({signal.SIGINT})) as let_in:
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            told.append("held")
            if at_once:
                let_in()
                told.append("not let in")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert told == ["held"]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
