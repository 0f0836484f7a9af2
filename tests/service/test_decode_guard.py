"""Poison: an original that kills or hangs the decoder does so once, in a real server, and never again."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from conftest import COVERED, configured, take_in
from running import ENVIRONMENT, get, key, run
from samples import shrunk

from coverproxy.domain.spec import Identifier
from coverproxy.wiring import open_shelf

SERVER = Path(__file__).parents[1] / "crashing_server.py"
MARK = "POISON-FOR-TESTS"
POISON, ALSO = "9781853260001", "9780140620863"


@dataclass
class Poisoned:
    """A server over a data folder in which one original of two ISBNs is poison."""

    process: subprocess.Popen[str]
    url: str
    ops_url: str
    data: Path
    key: str
    log: Path

    def ask(self, isbn: str, size: str = "medium") -> str:
        """Ask for a cover until the server has something to say; a dead worker's clients get nothing."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                status = get(f"{self.url}/devkey/{self.key}/{size}/isbn/{isbn}")[1]["X-Cover-Status"]
            except OSError:  # the worker died with our request
                continue
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
        number = self.process.pid
        return [int(each) for each in Path(f"/proc/{number}/task/{number}/children").read_text().split()]

    def metric(self, name: str) -> float:
        """A counter, added up over the workers, dead ones too."""
        text = get(self.ops_url + "/metrics")[2].decode()
        return sum(map(float, re.findall(rf"^{name} ([0-9.]+)", text, re.MULTILINE)))

    def quarantined(self) -> list[dict]:
        """What the command lists."""
        return orjson.loads(run("originals", "quarantined", "--json", data=self.data))


Serve = Callable[..., Poisoned]


@pytest.fixture
def serve(tmp_path: Path, drawn: Path) -> Iterator[Serve]:
    """A function that starts a server whose decoder the poison crashes or hangs."""
    running: list[Poisoned] = []

    def start(what: str, *arguments: str, with_spare: bool = False, **environment: str) -> Poisoned:
        data = tmp_path / "data"
        take_in(configured(data), drawn)
        _take_in_poison(drawn, tmp_path / "poison", data, with_spare=with_spare)
        log = tmp_path / "renders"
        log.touch()
        command = [sys.executable, SERVER, MARK, what, log, "serve", "--data", data, "--port", "0", "--json"]
        settings = {"COVERPROXY_OPS__PORT": "0", "COVERPROXY_CACHE__ABSENT_SECONDS": "0.1"} | environment
        with (tmp_path / "log").open("w") as stderr:
            process = subprocess.Popen(
                [*map(str, command), *arguments],
                stdout=subprocess.PIPE, stderr=stderr, text=True, env=ENVIRONMENT | settings,
            )  # fmt: skip
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
    """SIGSEGV while rendering: the worker is replaced, others go on, the poison is not decoded again."""
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

    assert set(others) <= {"made", "hit"}
    assert [served.ask(each) for each in (POISON, ALSO, POISON)] == ["missing"] * 3
    assert served.renders == 1
    assert len(set(served.workers) - set(before)) == 1
    assert served.metric("coverproxy_originals_quarantined_total") == 1
    (told,) = served.quarantined()
    assert set(told["isbns"]) == {POISON, ALSO}
    assert told["reason"] == "Segmentation fault"
    assert all(Path(file).is_file() for file in told["files"])


def test_the_next_best_original_is_shown_until_the_poison_is_released(serve: Serve) -> None:
    """A book with poison shows its lesser original; importing frees nothing; released, it is tried again."""
    served = serve("crash", with_spare=True)
    first = served.ask(POISON)
    poison = served.data.parent / "poison"
    again = orjson.loads(run("import", poison, "--json", data=served.data).splitlines()[-1])

    assert (first, served.renders) == ("made", 1)
    assert again["added"] == 0
    (told,) = served.quarantined()
    assert told["digest"] in run("originals", "quarantined", data=served.data)
    assert "FAULT quarantined: Segmentation fault" in run("cover", POISON, data=served.data)
    released = orjson.loads(run("originals", "release", POISON, "--json", data=served.data))
    assert released["digests"] == [told["digest"]]
    assert set(released["isbns"]) == {POISON, ALSO}
    assert served.quarantined() == []
    assert (served.ask(POISON), served.renders) == ("made", 2)
    assert told["digest"] in run("originals", "release", told["digest"], data=served.data)
    assert "is not held" in run("originals", "release", POISON, data=served.data, code=1)
    assert "neither a digest" in run("originals", "release", "x", data=served.data, code=1)


def test_a_hang_happens_once(serve: Serve, tmp_path: Path) -> None:
    """A decoder that sleeps in C is ended with its worker after twice the limit, and not called again."""
    served = serve("hang", COVERPROXY_RENDER__TIME_LIMIT_SECONDS="0.5")
    before = served.workers

    assert served.ask(POISON) == "missing"
    assert served.ask(COVERED) == "made"
    assert [served.ask(each) for each in (POISON, ALSO)] == ["missing"] * 2
    assert (served.renders, len(set(served.workers) - set(before))) == (1, 1)
    assert [each["reason"] for each in served.quarantined()] == ["no end after 1 s"]
    assert served.metric("coverproxy_renders_killed_total") == 1
    events = [orjson.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert "a decoder hangs: this worker ends" in events


def test_kill_9_in_the_middle_of_a_render_convicts_nobody(serve: Serve) -> None:
    """A kill -9 while an original is decoded is no fault of it; a second in a row is (out of memory)."""
    served = serve("hang", COVERPROXY_RENDER__TIME_LIMIT_SECONDS="60.0")
    for deaths in (1, 2):
        threading.Thread(target=served.ask, args=(POISON,), daemon=True).start()
        deadline = time.monotonic() + 20
        while served.renders < deaths:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert served.quarantined() == []
        os.kill(served.workers[0], signal.SIGKILL)

    assert served.ask(POISON) == "missing"
    (told,) = served.quarantined()
    assert "second process in a row" in told["reason"]


def test_a_suspect_that_behaves_is_acquitted(serve: Serve, drawn: Path) -> None:
    """A suspicion ends with the next decode that nothing happens in: kill -9 by chance adds up to nothing."""
    served = serve("crash")
    with open_shelf(configured(served.data)) as shelf:
        (original,) = shelf.catalogue.find(Identifier("isbn", COVERED))
        shelf.catalogue.suspect(original.digest, 1)
        assert shelf.catalogue.standing(original.digest) == (None, True)
        assert served.ask(COVERED) == "made"
        assert shelf.catalogue.standing(original.digest) == (None, False)
