"""Do memory, latency and disk use stay flat over time, and how much does a worker hold after 100,000 misses?

    python -m bench soak [--covers DIR] [--minutes 3] [--misses 100000] [--rate 40] [--cap-mb 60]

`coverproxy serve` with N workers and a cache so small that eviction keeps running. First readers come as they
really do (bench/readers.py; 100,000 books), --rate a second at even moments, timed from those, for --minutes:
hits and misses mix. An hour takes `--minutes 60`. Then new covers are asked for without a pause over 8
connections (wrk), until --misses of them were made, in all three sizes.

Every 5 s: resident memory of each worker with its render process (/proc), the most that the cache's folder
took on disk (as `du` counts it, looked at every second), and, while readers come, hit p50 and p99, misses a
second, hit rate. A window's p99 is of some 100 hits: nearly its slowest. Flat: all workers' memory at the end
is no more than a tenth above what it was after half, of the readers' time and of the misses each. Exits with
1 where it is not, or where the disk use was ever over the cap.
"""

import contextlib
import multiprocessing
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

from bench import books, client, command, plots, readers, report, scratch, serve
from bench.client import Answer
from bench.goals import Goal, at_most
from bench.wrk import Wrk

BOOKS = 100_000
WINDOW_SECONDS = 5.0
GOAL_MISSES = 100_000
MISSES_AT_ONCE = 8
LOOK_SECONDS = 1.0
FLOOD_SECONDS = 20.0
MOST_FLOOD_SECONDS = 900.0
MADE = 'coverproxy_answers_total{status="made"}'
MOST_GROWTH = 1.10
MOST_MIB = 200
"""Of a worker with its render process, after 100,000 misses. Pages that both share count twice."""


@command.command(__name__, __doc__)
@command.covers
@click.option("--minutes", type=click.FloatRange(0.5, 600), default=3.0, show_default=True)
@click.option("--misses", type=click.IntRange(0, 3 * BOOKS), default=100_000, show_default=True)
@click.option(
    "--rate", type=click.IntRange(1, 5000), default=40, show_default=True, help="Requests a second."
)
@click.option(
    "--cap-mb", type=click.IntRange(10, 1_000_000), default=60, show_default=True, help="The cache's cap."
)
@command.workers
@command.out
def main(
    covers: Path | None, minutes: float, misses: int, rate: int, cap_mb: int, workers: int, out: Path
) -> None:
    """Serve under load for some minutes, and write the result."""
    cache = {"max_bytes": cap_mb * 1_000_000, "check_seconds": 1.0}
    with scratch.folder() as name:
        folder = Path(name)
        found = books.originals(covers, folder / "drawn")
        books.fill(folder / "data", found, BOOKS)
        with (
            serve.app(folder / "data", workers, {**serve.PATIENT, "cache": cache}) as served,
            _Watched(served, workers) as watched,
        ):
            samples = list(_readers(watched, rate, minutes * 60))
            flood = list(_flood(watched, folder / "wrk", misses))
    figures = _told(samples, flood, cap_mb)
    report.show({name: value for name, value in figures.items() if not isinstance(value, list)})
    settings = {
        **books.described(covers, found), "workers": workers, "minutes": minutes, "rate": rate,
        "cap_mb": cap_mb, "misses": misses, **readers.settings(readers.zipf(BOOKS), None),
    }  # fmt: skip
    print(report.write("soak", settings, figures, out, held=_held(figures)))
    _plot(samples, flood, cap_mb, out / "soak.svg")
    sys.exit(0 if figures["holds"] else 1)


class _Watched:
    """A running service's workers and cache, looked at from outside while the block runs."""

    def __init__(self, served: serve.Served, workers: int) -> None:
        self.served = served
        self._workers = serve.workers_of(served.process, workers)
        self._most = 0
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look_on)

    def __enter__(self) -> "_Watched":
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._looking.join()

    def _look_on(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self._most = max(self._most, disk_bytes(self.served.folder / "cache"))

    def look(self) -> dict[str, Any]:
        """Return the memory of each worker and its render processes now, and the most that the cache took
        since the last look."""
        resident = [round(serve.family_mib(worker), 1) for worker in self._workers]
        most, self._most = self._most, 0
        return {"resident_mib": resident, "disk_mb": round(most / 1e6, 2)}


def _readers(watched: _Watched, rate: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield a sample whenever the readers' process has sent a window's figures."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    served = watched.served
    readers_process = context.Process(target=_come, args=(served.url, served.key, rate, seconds, theirs))
    readers_process.start()
    theirs.close()  # so that the end of the readers' process ends the pipe
    with contextlib.suppress(EOFError):
        while True:
            yield {**ours.recv(), **watched.look()}
            print(".", end="", flush=True)
    readers_process.join()
    print()
    if readers_process.exitcode:
        raise RuntimeError("the readers' process failed")


@dataclass
class _Window:
    """What came back since the last sample."""

    hits: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    def add(self, answer: Answer) -> None:
        self.answers[answer.label or "none"] += 1
        if answer.label == "hit":
            self.hits.append(answer.seconds * 1000)

    def told(self, at: float, seconds: float) -> dict[str, Any]:
        spread = report.spread(self.hits or [0.0], 2)
        made, hits = self.answers["made"], self.answers["hit"]
        return {
            "at_seconds": round(at, 1), "hit_p50_ms": spread["p50"], "hit_p99_ms": spread["p99"],
            "misses_per_second": round(made / seconds, 1),
            "hit_rate": round(hits / max(hits + made, 1), 3), "answers": dict(self.answers),
        }  # fmt: skip


def _come(url: str, key: str, rate: int, seconds: float, samples: Connection) -> None:
    """Be the readers, and send what each window came to."""
    chance = random.Random(1)  # noqa: S311 - no secret
    crowd = readers.Readers(f"/devkey/{key}", readers.zipf(BOOKS), chance)
    started = sent = time.perf_counter()
    window = _Window()

    def told(answer: Answer) -> None:
        nonlocal window, sent
        window.add(answer)
        if (now := time.perf_counter()) - sent >= WINDOW_SECONDS:
            samples.send(window.told(now - started, now - sent))
            window, sent = _Window(), now

    client.run(url, map(crowd.ask, readers.evenly(rate, seconds)), told)


def _flood(watched: _Watched, folder: Path, misses: int) -> Iterator[dict[str, Any]]:
    """Ask for new covers until so many were made, or for a quarter of an hour; yield samples of it.

    Answers that were hits count as none: the readers had some of these covers made before.
    """
    served = watched.served
    paths = [
        f"/devkey/{served.key}/{size}/isbn/{books.isbn(number)}"
        for size in ("medium", "small", "large")
        for number in range(BOOKS)
    ]
    wrk, made = Wrk(served.url, paths, folder, MISSES_AT_ONCE), 0
    before = served.counted(MADE)
    deadline = time.monotonic() + MOST_FLOOD_SECONDS
    while made < misses and wrk.at < len(paths) and time.monotonic() < deadline:
        with wrk.running(FLOOD_SECONDS):
            for _ in range(round(FLOOD_SECONDS / WINDOW_SECONDS)):
                time.sleep(WINDOW_SECONDS)
                made = served.counted(MADE) - before
                yield {"made": made, **watched.look()}
                print(".", end="", flush=True)
    print()


def disk_bytes(folder: Path) -> int:
    """Return what `du` says of a folder, every inode once. What goes meanwhile is passed over."""
    seen: dict[int, int] = {}
    for below, _, names in os.walk(folder):
        for path in (below, *(f"{below}/{name}" for name in names)):
            with contextlib.suppress(FileNotFoundError):
                stat = os.lstat(path)
                seen[stat.st_ino] = stat.st_blocks * 512
    return sum(seen.values())


def _told(samples: list[dict[str, Any]], flood: list[dict[str, Any]], cap_mb: int) -> dict[str, Any]:
    """Hold the last quarter of the readers' time against the second one: the first fills the cache."""
    quarter = max(len(samples) // 4, 1)
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    names = ("hit_p50_ms", "hit_p99_ms", "misses_per_second", "hit_rate", "disk_mb")
    means = {name: [round(_mean(part, name), 2) for part in (early, late)] for name in names}
    growth = {"readers": _growth(samples), "misses": _growth(flood)}
    most = max(each["disk_mb"] for each in samples + flood)
    is_flat = all(found is None or found <= MOST_GROWTH for found in growth.values())
    return {
        "second_and_last_quarter": means, "growth_in_the_second_half": growth, "most_disk_mb": most,
        "misses_made": flood[-1]["made"] if flood else 0,
        "largest_worker_mib": max(flood[-1]["resident_mib"]) if flood else None,
        "holds": most <= cap_mb and is_flat, "samples": samples, "flood": flood,
    }  # fmt: skip


def _mean(part: list[dict[str, Any]], name: str) -> float:
    return float(sum(each[name] for each in part) / len(part))


def _growth(samples: list[dict[str, Any]]) -> float | None:
    """Return the memory of all workers at the end, divided by that after half of the time."""
    if len(samples) < 2:
        return None
    half, end = (sum(each["resident_mib"]) for each in (samples[(len(samples) - 1) // 2], samples[-1]))
    return round(float(end / half), 3)


def _held(figures: dict[str, Any]) -> list[Goal]:
    made, note = figures["misses_made"], ""
    largest, growth = figures["largest_worker_mib"], figures["growth_in_the_second_half"]["misses"]
    if made < GOAL_MISSES:
        largest, growth, note = None, None, f"{made:,} were made"
    name = f"resident MiB of the largest worker with its render process after {GOAL_MISSES:,} misses"
    return [
        at_most(name, largest, MOST_MIB, note),
        at_most("the same ÷ that after half of them", growth, MOST_GROWTH, note),
    ]


def _plot(samples: list[dict[str, Any]], flood: list[dict[str, Any]], cap_mb: int, path: Path) -> None:
    """Plot memory, hit latency and disk use over time, and memory over misses."""
    minutes = [each["at_seconds"] / 60 for each in samples]
    with plots.figure(path, 2, (11, 5), rows=2) as ((memory, after), (hits, disk)):
        memory.plot(minutes, [each["resident_mib"] for each in samples])
        memory.set(ylabel="resident MiB, each worker", xlabel="minutes of readers")
        after.plot([each["made"] for each in flood], [each["resident_mib"] for each in flood])
        after.axhline(MOST_MIB, color=plots.PEER, linestyle=":", label="goal")
        after.set(ylabel="resident MiB, each worker", xlabel="covers made without a pause, afterwards")
        hits.plot(minutes, [each["hit_p99_ms"] for each in samples], label="p99")
        hits.plot(minutes, [each["hit_p50_ms"] for each in samples], label="p50")
        hits.set(ylabel="hit, ms", xlabel="minutes of readers")
        disk.plot(range(len(samples + flood)), [each["disk_mb"] for each in samples + flood], label="cache")
        disk.axhline(cap_mb, color=plots.PEER, linestyle=":", label="cap")
        disk.set(ylabel="MB on disk", xlabel="samples, of both")
        for axis in (memory, after, hits, disk):
            axis.set_ylim(0, axis.get_ylim()[1] * 1.2)
            axis.grid(alpha=0.3)
        for axis in (after, hits, disk):
            axis.legend(fontsize=8, loc="upper right", ncols=2)
