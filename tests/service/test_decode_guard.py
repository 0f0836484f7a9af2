"""Poison: an original that kills or hangs its decoder costs one render process, and no one else anything."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import COVERED, configured, fill
from running import ENVIRONMENT, Process, children, get, key, run, started
from samples import shrunk

from coverproxy.domain.spec import Identifier
from coverproxy.wiring.data_folder import open_shelf

SERVER = Path(__file__).parents[1] / "crashing_server.py"
MARK = "POISON-FOR-TESTS"
MADE = ("made", "hit")
"""What an answer says: the second where the first one came too late, on a busy machine."""

POISON, ALSO = "9781853260001", "9780140620863"


@dataclass
class Poisoned:
    """A server over a data folder in which one original of two ISBNs is poison."""

    process: Process
    url: str
    ops_url: str
    data: Path
    key: str
    log: Path

    def ask(self, isbn: str, size: str = "medium") -> str:
        """Ask for a cover until the server has something to say. No request may fail, whatever dies."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = get(f"{self.url}/devkey/{self.key}/{size}/isbn/{isbn}")[1]["X-Cover-Status"]
            if status != "pending":
                return status
            time.sleep(0.05)
        raise AssertionError("no answer")

    @property
    def renders(self) -> int:
        """How often the poison was decoded."""
        return len(self.log.read_text().splitlines())

    @property
    def workers(self) -> list[int]:
        """The worker processes."""
        return children(self.process.pid)

    @property
    def decoders(self) -> list[int]:
        """The render processes."""
        return [decoder for worker in self.workers for decoder in children(worker)]

    def decoding(self, times: int = 1) -> int:
        """Wait until the poison is being decoded for so many times; return the process that does it."""
        deadline = time.monotonic() + 30
        while self.renders < times:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return int(self.log.read_text().splitlines()[-1])

    def metric(self, name: str) -> float:
        """A counter, added up over the workers, dead ones too."""
        text = get(self.ops_url + "/metrics")[2].decode()
        return sum(map(float, re.findall(rf"^{name} ([0-9.]+)", text, re.MULTILINE)))

    def quarantined(self) -> Any:
        """What the command lists."""
        return orjson.loads(run("originals", "quarantined", "--json", data=self.data))


Serve = Callable[..., Poisoned]


def is_gone(process: int) -> bool:
    """Whether *process* ends within some seconds."""
    deadline = time.monotonic() + 60
    while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not Path(f"/proc/{process}").exists()


@pytest.fixture
def serve(tmp_path: Path, drawn: Path, stocked: Path) -> Iterator[Serve]:
    """A function that starts a server whose decoder the poison crashes or hangs."""
    running: list[Poisoned] = []

    def start(
        what: str, *arguments: str, with_spare: bool = False, with_crumbs: bool = False, **environment: str
    ) -> Poisoned:
        data = tmp_path / "data"
        fill(configured(data), stocked, drawn)
        _take_in_poison(drawn, tmp_path / "poison", data, with_spare=with_spare)
        if with_crumbs:
            _leave_crumbs(data)
        log = tmp_path / "renders"
        log.touch()
        words = [MARK, what, log, "serve", "--data", data, "--port", "0", "--json", *arguments]
        settings = {"COVERPROXY_OPS__PORT": "0", "COVERPROXY_CACHE__ABSENT_SECONDS": "0.1"} | environment
        with (tmp_path / "log").open("w") as stderr:
            process = started(*words, env=ENVIRONMENT | settings, stderr=stderr, script=SERVER)
        assert process.stdout
        ready = json.loads(process.stdout.readline())
        running.append(Poisoned(process, **ready, data=data, key=key(data), log=log))
        return running[-1]

    yield start
    for served in running:
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(30) == 0
        assert served.process.stdout
        served.process.stdout.close()


def _leave_crumbs(data: Path) -> None:
    """Leave what a killed worker of an earlier version left: the original that it was decoding."""
    with open_shelf(configured(data)) as shelf:
        (original,) = shelf.catalogue.find(Identifier("isbn", COVERED))
    running = data / "crumbs" / "running"
    running.mkdir(parents=True)
    crumb = f"{1:016x} {original.digest.hex()} {original.identifier}".encode()
    (running / "1-0123456789abcdef").write_bytes(crumb.ljust(127, b"\0") + b"\n" + bytes(63 * 128))


def _take_in_poison(drawn: Path, folder: Path, data: Path, *, with_spare: bool) -> None:
    """Import the poison for two ISBNs of one book; with a smaller harmless original where wanted."""
    body = next(drawn.glob("978-0-14-143951-8.jpg")).read_bytes()
    folder.mkdir()
    for isbn in (POISON, ALSO):
        (folder / f"{isbn}.jpg").write_bytes(body + MARK.encode())
    if with_spare:
        (folder / "spare").mkdir()
        (folder / "spare" / f"{POISON}.jpg").write_bytes(shrunk(drawn / "9780141439556.jpg"))
    run("import", folder, data=data)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_real_segfault_happens_once(serve: Serve, workers: str) -> None:
    """SIGSEGV while rendering: its process is replaced, no worker is, and the poison is not decoded again."""
    served = serve("crash", "--workers", workers)
    before = served.workers
    asking = [
        threading.Thread(target=served.ask, args=(POISON, size)) for size in ("small", "medium", "large")
    ]
    for thread in asking:
        thread.start()
    others = [served.ask(each) for each in (COVERED, "9780142437247")]
    for thread in asking:
        thread.join()

    assert set(others) <= set(MADE)
    assert [served.ask(each) for each in (POISON, ALSO, POISON)] == ["missing"] * 3
    assert served.renders == 1
    assert served.workers == before
    assert served.metric("coverproxy_originals_quarantined_total") == 1
    (told,) = served.quarantined()
    assert set(told["isbns"]) == {POISON, ALSO}
    assert told["reason"] == "Segmentation fault"
    assert all(Path(file).is_file() for file in told["files"])


@pytest.mark.parametrize(
    ("what", "reason"), [("abort", "Aborted"), ("bomb", "it needs more than 96 MiB of memory")]
)
def test_other_deaths_are_charged_as_well(serve: Serve, what: str, reason: str) -> None:
    """An abort, and memory without end: one render process is lost, and its original is charged."""
    served = serve(what, COVERPROXY_LIMITS__MAX_DECODED_BYTES=str(32 * 2**20))
    before = served.workers

    assert [served.ask(POISON), served.ask(ALSO)] == ["missing", "missing"]
    assert served.ask(COVERED) in MADE
    assert (served.renders, served.workers) == (1, before)
    assert [each["reason"] for each in served.quarantined()] == [reason]


def test_the_next_best_original_is_shown_until_the_poison_is_released(serve: Serve) -> None:
    """A book with poison shows its lesser original; importing frees nothing; released, it is tried again."""
    served = serve("crash", with_spare=True)
    first = served.ask(POISON)
    poison = served.data.parent / "poison"
    again = orjson.loads(run("import", poison, "--json", data=served.data).splitlines()[-1])

    assert (first in MADE, served.renders) == (True, 1)
    assert again["added"] == 0
    (told,) = served.quarantined()
    assert told["digest"] in run("originals", "quarantined", data=served.data)
    assert "FAULT quarantined: Segmentation fault" in run("cover", POISON, data=served.data)
    released = orjson.loads(run("originals", "release", POISON, "--json", data=served.data))
    assert released["digests"] == [told["digest"]]
    assert set(released["isbns"]) == {POISON, ALSO}
    assert served.quarantined() == []
    assert (served.ask(POISON) in MADE, served.renders) == (True, 2)
    assert told["digest"] in run("originals", "release", told["digest"], data=served.data)
    assert "is not quarantined" in run("originals", "release", POISON, data=served.data, code=1)
    assert "neither a digest" in run("originals", "release", "x", data=served.data, code=1)


def test_a_hang_happens_once(serve: Serve) -> None:
    """A decoder that sleeps in C is ended at the limit, alone, and not called again for that original."""
    served = serve("hang", COVERPROXY_RENDER__TIME_LIMIT_SECONDS="1.5")
    before, decoders = served.workers, served.decoders

    assert served.ask(POISON) == "missing"
    assert served.ask(COVERED) in MADE
    assert [served.ask(each) for each in (POISON, ALSO)] == ["missing"] * 2
    assert (served.renders, served.workers) == (1, before)
    assert len(set(served.decoders) - set(decoders)) == 1
    assert [each["reason"] for each in served.quarantined()] == ["not finished after 1.5 s"]
    assert served.metric("coverproxy_renders_killed_total") == 1


def test_kill_9_of_a_worker_convicts_nobody(serve: Serve) -> None:
    """However often a worker is killed while it has an original decoded, that is not the original's fault.

    Its render process goes with it.
    """
    served = serve("hang", COVERPROXY_RENDER__TIME_LIMIT_SECONDS="60.0")
    for deaths in (1, 2, 3):
        threading.Thread(target=_hang_up, args=(served,), daemon=True).start()
        decoder = served.decoding(deaths)
        os.kill(served.workers[0], signal.SIGKILL)
        assert is_gone(decoder)

    assert served.ask(COVERED) in MADE
    assert served.quarantined() == []


def _hang_up(served: Poisoned) -> None:
    with suppress(OSError):  # its worker is killed
        served.ask(POISON)


def test_kill_9_of_a_render_process_convicts_nobody(serve: Serve) -> None:
    """A render process that is killed (by the OOM killer, too) is replaced, and its cover is made."""
    served = serve("once", COVERPROXY_RENDER__TIME_LIMIT_SECONDS="60.0")
    before, told = served.workers, []
    asking = threading.Thread(target=lambda: told.append(served.ask(POISON)))
    asking.start()
    os.kill(served.decoding(), signal.SIGKILL)
    asking.join()

    assert told[0] in MADE
    assert (served.quarantined(), served.workers) == ([], before)


def test_a_second_kill_in_a_row_does_where_it_takes_memory(serve: Serve) -> None:
    """Killed again while it decodes an original alone that takes much memory: the original is held."""
    served = serve("swell", COVERPROXY_RENDER__TIME_LIMIT_SECONDS="60.0")
    threading.Thread(target=_hang_up, args=(served,), daemon=True).start()
    for times in (1, 2):
        decoder = served.decoding(times)
        while _resident(decoder) < 150_000_000:
            time.sleep(0.01)
        os.kill(decoder, signal.SIGKILL)

    assert served.ask(POISON) == "missing"
    (told,) = served.quarantined()
    assert "killed twice (out of memory? It took " in told["reason"]


def _resident(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(("number", "limit"), [(signal.SIGKILL, "60.0"), (signal.SIGSTOP, "3.0")])
def test_nor_does_a_second_one_where_it_takes_little(
    serve: Serve, number: signal.Signals, limit: str
) -> None:
    """Whoever kills or stops render processes again and again has no original held: it is tried again.

    A stop is found only after the time limit: another process may take the picture before the second one is.
    """
    served = serve("hang", COVERPROXY_RENDER__TIME_LIMIT_SECONDS=limit)
    threading.Thread(target=_hang_up, args=(served,), daemon=True).start()
    for times in (1, 2):
        os.kill(served.decoding(times), number)
    served.decoding(3)

    assert served.quarantined() == []
    if number == signal.SIGKILL:
        assert "killed twice by others" in (served.data.parent / "log").read_text()


def test_an_idle_render_process_that_is_killed_is_replaced(serve: Serve) -> None:
    """kill -9 between two covers costs nothing: the next cover is made, by another process."""
    served = serve("crash")
    (decoder,) = served.decoders
    os.kill(decoder, signal.SIGKILL)

    assert served.ask(COVERED) in MADE
    assert served.quarantined() == []
    assert len(served.decoders) == 1
    assert served.decoders != [decoder]


def test_what_earlier_versions_kept_of_crashes_goes(serve: Serve) -> None:
    """A data folder with the crumbs of an earlier version's dead worker starts, and nobody is charged."""
    served = serve("crash", with_crumbs=True)

    assert served.ask(COVERED) in MADE
    assert served.quarantined() == []
    assert not (served.data / "crumbs").exists()
