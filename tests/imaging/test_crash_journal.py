"""Breadcrumbs: what a dead process was doing is found once, whoever looks; the living are left alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from samples import original

from coverproxy.config import RenderConfig
from coverproxy.imaging.crash_journal import CrashJournal, JournalEntry, Left, judged
from coverproxy.originals.sqlite import SqliteCatalogue
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.stats.metrics import Metrics

ONE, TWO = JournalEntry(b"1" * 16, "isbn:1", 0xA1), JournalEntry(b"2" * 16, "isbn:2", 0xA2)
SEGFAULT = "Fatal Python error: Segmentation fault\n\n"


@pytest.mark.parametrize(
    ("left", "suspects", "expected"),
    [
        (Left((ONE,), ""), [], {ONE: None}),
        (Left((ONE,), ""), [ONE.digest], {ONE: "second"}),
        (Left((ONE, TWO), ""), [TWO.digest], {ONE: None, TWO: "second"}),
        (Left((ONE,), f"{SEGFAULT}Current thread 0x00a1 (most recent"), [], {ONE: "Segmentation fault"}),
        (Left((ONE, TWO), f"{SEGFAULT}Current thread 0x00a2 (most recent"), [], {TWO: "Segmentation fault"}),
        (Left((ONE,), f"{SEGFAULT}Thread 0x00a1 (most recent"), [], {ONE: "Segmentation fault"}),
        (Left((ONE, TWO), f"{SEGFAULT}Thread 0x00a1 (most recent"), [], {ONE: None, TWO: None}),
        (Left((ONE,), f"{SEGFAULT}Current thread 0x00b1 (most recent"), [], {ONE: None}),
        (Left((), f"{SEGFAULT}Current thread 0x00b1 (most recent"), [], {}),
        (Left((), ""), [], {}),
    ],
    ids=[
        "killed", "killed-again", "killed-with-two", "crash", "crash-of-two", "crash-in-libvips",
        "crash-in-libvips-with-two", "crash-elsewhere", "crash-while-idle", "killed-while-idle",
    ],
)  # fmt: skip
def test_the_rule(left: Left, suspects: list[bytes], expected: dict[JournalEntry, str | None]) -> None:
    """A crash in the decoding thread convicts at once; any other death makes suspect, the second convicts."""
    verdicts = judged(left, suspects)

    assert verdicts.keys() == expected.keys()
    for crumb, reason in expected.items():
        assert (reason is None) == (verdicts[crumb] is None)
        assert (reason or "") in (verdicts[crumb] or "")


CHILD = """
import ctypes, sys, threading, time
from pathlib import Path
from samples import original
from coverproxy.imaging.crash_journal import CrashJournal
crumbs = CrashJournal(Path(sys.argv[1]))
crumbs.open()
crumbs.trace_crashes()
def decode():
    with crumbs.dropped(original(b"0" * 16)):
        pass
    with crumbs.dropped(original()):
        print("decoding", flush=True)
        if sys.argv[2] == "crash":
            ctypes.string_at(0)
        time.sleep(60)
thread = threading.Thread(target=decode)
thread.start()
thread.join()
"""


def child(folder: Path, what: str) -> subprocess.Popen[str]:
    """A process in the middle of decoding."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), what],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert process.stdout
    with process.stdout:
        assert process.stdout.readline() == "decoding\n"
    return process


def looked_back(crumbs: CrashJournal) -> list[Left]:
    found: list[Left] = []
    crumbs.look_back(found.append)
    return found


def test_a_crash_leaves_crumb_and_trace(tmp_path: Path) -> None:
    """A real SIGSEGV leaves what was being decoded, not what was before: one look back finds it, once."""
    assert child(tmp_path, "crash").wait(20) == -signal.SIGSEGV
    crumbs = CrashJournal(tmp_path)
    crumbs.open()
    (left,) = looked_back(crumbs)

    assert [(crumb.digest, crumb.of) for crumb in left.crumbs] == [(b"1" * 16, "isbn:9780141439518")]
    assert left.crash == "Segmentation fault"
    assert judged(left, []) == {left.crumbs[0]: "Segmentation fault"}
    assert looked_back(crumbs) == []
    crumbs.close()
    assert list(tmp_path.iterdir()) == []


def test_kill_9_leaves_a_crumb_without_a_trace(tmp_path: Path) -> None:
    """As long as the process lives nobody judges it; after kill -9 its crumb is there, and no trace."""
    process = child(tmp_path, "wait")
    crumbs = CrashJournal(tmp_path)
    crumbs.open()
    alive = looked_back(crumbs)
    process.kill()
    process.wait()
    (left,) = looked_back(crumbs)
    crumbs.close()

    assert alive == []
    assert (len(left.crumbs), left.trace) == (1, "")


def test_a_signal_from_outside_convicts_nobody(tmp_path: Path) -> None:
    """gunicorn sends SIGABRT to a worker whose loop hangs: the trace names a thread that decodes nothing."""
    process = child(tmp_path, "wait")
    process.send_signal(signal.SIGABRT)
    process.wait()
    crumbs = CrashJournal(tmp_path)
    crumbs.open()
    (left,) = looked_back(crumbs)
    crumbs.close()

    assert left.crash == "Aborted"
    assert list(judged(left, []).values()) == [None]


def test_who_decodes_what_elsewhere_is_seen(tmp_path: Path) -> None:
    """A living process is known to decode an original for just as long as it does, and no other original."""
    crumbs, other = CrashJournal(tmp_path), CrashJournal(tmp_path)
    crumbs.open()
    other.open()
    with other.dropped(original()):
        during = [crumbs.look_back(_nobody, digest) for digest in (b"1" * 16, b"2" * 16, b"")]
        itself = other.look_back(_nobody, b"1" * 16)
    after = crumbs.look_back(_nobody, b"1" * 16)
    crumbs.close()
    other.close()

    assert (during, itself, after) == ([True, False, False], False, False)


def _nobody(left: Left) -> None:
    raise AssertionError("nobody has died")


def test_who_is_not_quite_dead_is_waited_for(tmp_path: Path) -> None:
    """An original whose decoder is dying, its crumbs not yet free, is judged before it is decoded again."""
    process = child(tmp_path / "running", "wait")
    catalogue = SqliteCatalogue(tmp_path / "originals.db", {})
    catalogue.open()
    guard = DecodeGuard(tmp_path, catalogue, Metrics(), RenderConfig())
    guard.open()
    threading.Timer(0.2, process.kill).start()
    with guard.decoding(original()):
        was_waited_for = catalogue.standing(original().digest)
    guard.close()
    catalogue.close()
    process.wait()

    assert was_waited_for == (None, True)


def test_what_cannot_be_judged_stays(tmp_path: Path) -> None:
    """If the judge fails (a locked catalogue), the next look back finds it again."""
    process = child(tmp_path, "wait")
    process.kill()
    process.wait()
    crumbs = CrashJournal(tmp_path)
    crumbs.open()

    def fail(left: Left) -> None:
        raise OSError("locked")

    with pytest.raises(OSError, match="locked"):
        crumbs.look_back(fail)
    assert len(looked_back(crumbs)) == 1
    crumbs.close()


def test_many_look_back_and_one_judges(tmp_path: Path) -> None:
    """Eight that look back at once give a death to one judge only: else once would count as twice."""
    for _ in range(5):
        process = child(tmp_path, "wait")
        process.kill()
        process.wait()
        watchers = [CrashJournal(tmp_path) for _ in range(8)]
        for each in watchers:
            each.open()
        found: list[Left] = []
        threads = [threading.Thread(target=each.look_back, args=(found.append,)) for each in watchers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for each in watchers:
            each.close()
        assert len(found) == 1


def test_each_thread_has_a_crumb_of_its_own(tmp_path: Path) -> None:
    """Two threads that decode at once both have their crumb in the file; a hang is told of one of them."""
    crumbs, other = CrashJournal(tmp_path), CrashJournal(tmp_path)
    crumbs.open()
    both, end = threading.Barrier(3), threading.Event()

    def decode(digest: bytes) -> None:
        with crumbs.dropped(original(digest)):
            both.wait()
            end.wait()

    threads = [threading.Thread(target=decode, args=(digest,)) for digest in (b"a" * 16, b"b" * 16)]
    for thread in threads:
        thread.start()
    both.wait()
    assert threads[1].ident
    crumbs.accuse(threads[1].ident, "no end after 20 s")
    os.close(crumbs._handle)  # as at its death
    other.open()
    (left,) = looked_back(other)
    verdicts = judged(left, [])
    crumbs._handle = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    end.set()
    for thread in threads:
        thread.join()
    crumbs.close()
    other.close()

    assert {crumb.digest for crumb in left.crumbs} == {b"a" * 16, b"b" * 16}
    assert [(crumb.digest, why) for crumb, why in verdicts.items()] == [(b"b" * 16, "no end after 20 s")]


def test_a_crumb_costs_next_to_nothing(tmp_path: Path) -> None:
    """Dropping and clearing a crumb takes microseconds: a thousand in less than a tenth of a second."""
    crumbs = CrashJournal(tmp_path)
    crumbs.open()
    took = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(1000):
            with crumbs.dropped(original()):
                pass
        took.append(time.perf_counter() - started)
    crumbs.close()

    assert min(took) < 0.1
