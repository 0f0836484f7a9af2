"""Folders that several make at once."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from coverproxy.storage import ownership

ROUNDS, THREADS = 100, 8


@pytest.fixture
def quick_turns() -> Iterator[None]:
    """Have threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("quick_turns")
def test_several_may_make_the_same_folder_at_once(tmp_path: Path) -> None:
    """One makes each folder and counts it, and nobody fails where another was first."""
    made: list[int] = []
    failures: list[OSError] = []
    start = threading.Barrier(THREADS)

    def make() -> None:
        for number in range(ROUNDS):
            start.wait()
            try:
                made.append(ownership.make_folder(tmp_path / str(number) / "a" / "b" / "c"))
            except OSError as exc:
                failures.append(exc)

    threads = [threading.Thread(target=make) for _ in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert sum(made) == 4 * ROUNDS


def test_where_nothing_can_be_made_says_so() -> None:
    """A file system without folders of ours fails with the reason, and does not try for ever."""
    with pytest.raises(OSError, match="No such file"):
        ownership.make_folder("/proc/nothing/here")
