"""How long does eviction of a large cache take, and in how much memory?

    python -m bench.evict [--files 1000000] [--rest 0.005] [--folder DIR]

Makes a cache of that many covers (2 KB each, both spellings hard-linked, sharded as the service does, last
used on 400 different days), then, in a process of its own, walks through it, plans, and evicts a tenth.
Peak memory is that process' VmHWM, told against what it had before the first walk. `--rest` is the rest after
every 256 files in which a running service answers; 0 tells the bare work. Source of memory: /proc.
"""

import argparse
import multiprocessing
import os
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench import report
from coverproxy.cache.evict import Evictor, plan
from coverproxy.cache.last_use import DAY, LastUse
from coverproxy.cache.layout import Layout
from coverproxy.cache.room import UNBOUNDED, Bounds, Room
from coverproxy.cache.walk import Pace

BODY = bytes(2048)
DAYS = 400
LIVE = {"small": "0000000001", "medium": "0000000002", "large": "0000000003"}


def main() -> None:
    """Make the cache, evict a tenth of it, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--rest", type=float, default=0.005, help="seconds of rest after every 256 files")
    parser.add_argument("--folder", type=Path, help="where the cache is made, and removed again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        layout = Layout(Path(name), LIVE)
        started = time.perf_counter()
        _fill(layout, arguments.files)
        print(f"made in {time.perf_counter() - started:.0f} s", flush=True)
        figures = _apart(layout, arguments.rest)
    print(figures)
    print(report.write("evict", {"files": arguments.files, "rest_seconds": arguments.rest}, figures))


def _fill(layout: Layout, files: int) -> None:
    """Write covers straight to their names: how they come there is not the question."""
    layout.locks.mkdir(parents=True)
    now, sizes = time.time(), list(LIVE)
    for number in range(files):
        nine = f"{number // len(sizes) * 7919 % 10**9:09d}"
        size = sizes[number % len(sizes)]
        folder = f"{layout.folder(size)}/{nine[5:7]}/{nine[7:9]}"
        canonical = f"{folder}/978{nine}0.jpg"
        try:
            _write(canonical, now - number % DAYS * DAY)
        except FileNotFoundError:
            Path(folder).mkdir(parents=True)
            _write(canonical, now - number % DAYS * DAY)
        os.link(canonical, f"{folder}/{nine}0.jpg")


def _write(path: str, used: float) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.write(handle, BODY)
    os.utime(handle, (used, 1_217_808_000))
    os.close(handle)


def _apart(layout: Layout, rest: float) -> dict[str, Any]:
    """Evict in a process of its own, so that the memory told is eviction's alone."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_evict, args=(layout, rest, theirs))
    process.start()
    figures: dict[str, Any] = ours.recv()
    process.join()
    return figures


def _evict(layout: Layout, rest: float, told: Connection) -> None:
    room = Room(layout, UNBOUNDED)
    evictor = Evictor(layout, room, LastUse.ATIME)
    before, started = _peak_kib(), time.perf_counter()
    survey = evictor.survey(Pace(threading.Event(), rest))
    surveyed = time.perf_counter()
    chosen = plan(survey.by_age, survey.bytes // 10)
    planned = time.perf_counter()
    outcome = evictor.run(threading.Event(), Bounds(int(survey.bytes * 0.9 / 0.95), 0), rest)
    told.send(
        {
            "files": survey.files,
            "bytes": survey.bytes,
            "walk_seconds": round(surveyed - started, 2),
            "plan_milliseconds": round((planned - surveyed) * 1000, 3),
            "days_chosen": len(chosen),
            "walk_and_evict_seconds": round(time.perf_counter() - planned, 2),
            "evicted_files": outcome.files,
            "evicted_bytes": outcome.bytes,
            "peak_kib": _peak_kib(),
            "peak_kib_above_start": _peak_kib() - before,
        }
    )


def _peak_kib() -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
