"""kill -9 of render processes amid many covers: others get the right picture or "later", and none is lost."""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from queue import SimpleQueue

import orjson
from conftest import configured, fill
from running import Serve, Served, children, data, get, key, run, serve, workers

from coverproxy.domain.formats import PLACEHOLDER

__all__ = ["data", "serve"]

SIZES = ("small", "medium")
LATER = ("pending", "unavailable")
KILLS = int(os.environ.get("COVERPROXY_TEST_KILLS", "5"))
"""How often a render process is killed; more take longer and find more."""
READERS = 6

Wish = tuple[str, str]
"""An ISBN and a size."""


@dataclass
class Readers:
    """Readers who ask for each of `wishes`, until they get None. `told`: the answers; `open`: what waits."""

    url: str
    wishes: SimpleQueue[Wish | None] = field(default_factory=SimpleQueue)
    told: list[tuple[Wish, int, str, str, bytes]] = field(default_factory=list)
    open: set[Wish] = field(default_factory=set)

    def start(self) -> list[threading.Thread]:
        threads = [threading.Thread(target=self._read) for _ in range(READERS)]
        for each in threads:
            each.start()
        return threads

    def _read(self) -> None:
        while wish := self.wishes.get():
            status, headers, body = get(f"{self.url}/{wish[1]}/isbn/{wish[0]}")
            self.told.append((wish, status, headers["X-Cover-Status"], headers["Cache-Control"], body))
            self.open.discard(wish)

    def ask(self, wishes: Iterable[Wish]) -> None:
        """Ask for more covers."""
        for wish in wishes:
            self.open.add(wish)
            self.wishes.put(wish)

    def pause(self) -> None:
        """Wait until all is answered: no cover meets two kills in a row by chance."""
        deadline = time.monotonic() + 60
        while self.open:
            assert time.monotonic() < deadline
            time.sleep(0.005)


def kill_one(served: Served) -> None:
    """Kill a render process of the server, by chance, as soon as there is one."""
    deadline = time.monotonic() + 60
    while not (found := [each for worker in workers(served) for each in children(worker)]):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    with suppress(ProcessLookupError):
        os.kill(random.choice(found), signal.SIGKILL)  # noqa: S311 - chance, no secret


def undisturbed(folder: Path, stocked: Path, drawn: Path, isbns: list[str]) -> dict[Wish, bytes]:
    """What each cover is where nothing is killed."""
    fill(configured(folder), stocked, drawn)
    (folder / "list.txt").write_text("\n".join(isbns))
    sizes = [word for size in SIZES for word in ("--size", size)]
    run("warm", folder / "list.txt", "--share", "1.0", *sizes, data=folder)
    live = folder / "cache" / "v2" / "live"
    return {(isbn, size): next((live / size / "jpg").glob(f"isbn/*/*/{isbn}.jpg")).read_bytes()
            for isbn, size in product(isbns, SIZES)}  # fmt: skip


def test_killed_render_processes_cost_others_nothing(
    serve: Serve, data: Path, tmp_path: Path, stocked: Path, drawn: Path, drawn_isbns: list[str]
) -> None:
    """Each answer is the right picture, or the placeholder that says later; then all are there, counted once.

    No original is held for it, and no temporary file stays.
    """
    right = undisturbed(tmp_path / "right", stocked, drawn, drawn_isbns)
    shutil.rmtree(data / "cache", ignore_errors=True)
    name = key(data)
    served = serve("--workers", "2")
    wishes = list(right)
    random.shuffle(wishes)
    readers = Readers(f"{served.url}/devkey/{name}")
    threads = readers.start()
    for number in range(KILLS):
        readers.ask(wishes[number::KILLS])
        kill_one(served)
        readers.pause()
    for _ in threads:
        readers.wishes.put(None)
    for each in threads:
        each.join()

    assert len(readers.told) == len(right)
    for wish, status, cover, keep, body in readers.told:
        assert status == 200
        if cover in LATER:
            assert (body, keep) == (PLACEHOLDER, "no-store")
        else:
            assert (cover, body == right[wish]) == ("made", True), wish
    _agrees(served, data, name, right)


def _agrees(served: Served, data: Path, name: str, right: dict[Wish, bytes]) -> None:
    """Assert that every cover comes as it should, and was counted once."""
    for (isbn, size), body in right.items():
        assert get(f"{served.url}/devkey/{name}/{size}/isbn/{isbn}")[2] == body
    assert orjson.loads(run("key", "show", name, "--json", data=data))["made_today"] == len(right)
    assert orjson.loads(run("originals", "quarantined", "--json", data=data)) == []
    assert list((data / "cache" / "v2" / "tmp").iterdir()) == []
