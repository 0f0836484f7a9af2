"""What eviction from a cache of so many covers costs: time and memory. Part of bench/scale.py.

The covers are 2 KB each, both spellings hard-linked, sharded as the service does, last used on 400 different
days. In a process of its own it is walked through, planned, and a tenth evicted. Peak memory is that process'
VmHWM, told against what it had before the first walk. The rest after every 256 files, in which a running
service answers, is left out: the bare work is told. Source of memory: /proc.
"""

import multiprocessing
import os
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from coverproxy.cache.budget import UNBOUNDED, DiskBounds, DiskBudget
from coverproxy.cache.evict import Evictor, plan
from coverproxy.cache.last_use import DAY, LastUse
from coverproxy.cache.layout import Layout
from coverproxy.cache.walk import WalkPace
from coverproxy.domain.formats import Format

BODY = bytes(2048)
DAYS = 400


def fill(layout: Layout, files: int) -> None:
    """Write covers straight to their names: how they come there is not the question."""
    layout.locks.mkdir(parents=True, exist_ok=True)
    now, sizes = time.time(), sorted({size for size, _ in layout.revisions})
    for number in range(files):
        nine = f"{number // len(sizes) * 7919 % 10**9:09d}"
        size = sizes[number % len(sizes)]
        folder = f"{layout.folder(size, Format.JPEG)}/isbn/{nine[5:7]}/{nine[7:9]}"
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


def measure(layout: Layout, rest: float = 0.0) -> dict[str, Any]:
    """Evict a tenth in a process of its own, so that the memory told is eviction's alone."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_evict, args=(layout, rest, theirs))
    process.start()
    figures: dict[str, Any] = ours.recv()
    process.join()
    return figures


def _evict(layout: Layout, rest: float, told: Connection) -> None:
    room = DiskBudget(layout, UNBOUNDED)
    evictor = Evictor(layout, room, LastUse.ATIME)
    before, started = _peak_kib(), time.perf_counter()
    survey = evictor.survey(WalkPace(threading.Event(), rest))
    surveyed = time.perf_counter()
    chosen = plan(survey.by_age, survey.bytes // 10)
    planned = time.perf_counter()
    outcome = evictor.run(threading.Event(), DiskBounds(int(survey.bytes * 0.9 / 0.95), 0), rest)
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
