"""Do memory, hit p99 and disk use stay flat over time?

    python -m bench.soak [--minutes 4] [--rate 40] [--cap-mb 60] [--out bench/results]

`coverproxy serve --workers 2` with a cache so small that eviction keeps running. 100,000 books are asked for
as readers do: the n-th most popular one 1/n times as often as the first, in all sizes, so that hits and
misses mix. Of 100 requests 5 are HEADs, 10 say which cover they have (If-None-Match), 5 name a book without a
cover, 2 are no ISBN. They are asked at even moments whether or not the one before has come back, and timed
from that moment (no coordinated omission), by a process of its own, of higher priority where that is allowed.

Every 5 s: resident memory of each worker (/proc), hit p50 and p99, misses a second, hit rate, and the most
that the cache's folder took on disk (as `du` counts it, looked at every second). A window's p99 is of some
100 hits: nearly its slowest. The cache is full after some 2.5 minutes. Writes soak.json and soak.svg. Exits
with 1 where the disk use was ever over the cap.
"""

import argparse
import asyncio
import contextlib
import itertools
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bench import report, serving

BOOKS = 100_000
WORKERS = 2
WINDOW_SECONDS = 5.0
LOOK_SECONDS = 1.0
SIZES, SIZE_WEIGHTS = ("small", "medium", "large"), (25, 70, 5)
KINDS = {"get": 78, "head": 5, "conditional": 10, "uncovered": 5, "bad": 2}


def main() -> None:
    """Serve under load for some minutes, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--rate", type=int, default=40, help="requests a second")
    parser.add_argument("--cap-mb", type=int, default=60, help="the cache's max_bytes, in MB")
    parser.add_argument("--out", type=Path, default=report.RESULTS)
    arguments = parser.parse_args()
    os.environ["COVERPROXY_CACHE__MAX_BYTES"] = str(arguments.cap_mb * 1_000_000)
    os.environ["COVERPROXY_CACHE__CHECK_SECONDS"] = "1.0"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "data")
        serving.fill(folder, serving.originals(None, Path(name, "drawn")), BOOKS)
        samples = list(_soak(folder, arguments))
    figures = _told(samples, arguments.cap_mb)
    print(orjson.dumps({**figures, "samples": len(samples)}, option=orjson.OPT_INDENT_2).decode())
    settings = {
        "workers": WORKERS, "minutes": arguments.minutes, "rate": arguments.rate, "books": BOOKS,
        "cap_mb": arguments.cap_mb, "kinds": KINDS, "sizes": dict(zip(SIZES, SIZE_WEIGHTS, strict=True)),
    }  # fmt: skip
    print(report.write("soak", settings, figures, arguments.out))
    _plot(samples, arguments.cap_mb, arguments.out / "soak.svg")
    sys.exit(0 if figures["holds"] else 1)


def _soak(folder: Path, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a sample whenever the load's process has sent a window's figures."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with serving.served(folder, WORKERS) as (url, key):
        workers = _workers(folder)
        base = f"{url}/devkey/{key}"
        load = context.Process(target=_load, args=(base, arguments.rate, arguments.minutes * 60, theirs))
        load.start()
        theirs.close()  # so that the end of the load's process ends the pipe
        with contextlib.suppress(EOFError):
            while True:
                disk = _most_disk(folder / "cache", ours)
                resident = [round(_resident(process), 1) for process in workers]
                yield {**ours.recv(), "resident_mb": resident, "disk_mb": round(disk / 1e6, 2)}
                print(".", end="", flush=True)
        load.join()
        if load.exitcode:
            raise RuntimeError("the load's process failed")


def _most_disk(folder: Path, until: Connection) -> int:
    """Return the most that *folder* took while nothing came from *until*."""
    most = _disk(folder)
    while not until.poll(LOOK_SECONDS):
        most = max(most, _disk(folder))
    return most


def _disk(folder: Path) -> int:
    """Return what `du` says of a folder, every inode once. What goes meanwhile is passed over."""
    seen: dict[int, int] = {}
    for below, _, names in os.walk(folder):
        for path in (below, *(f"{below}/{name}" for name in names)):
            with contextlib.suppress(FileNotFoundError):
                stat = os.lstat(path)
                seen[stat.st_ino] = stat.st_blocks * 512
    return sum(seen.values())


def _workers(folder: Path) -> list[int]:
    """Return the ids of the server's worker processes. It says its URL before they all are there."""
    while len(found := _grandchildren(folder)) < WORKERS:
        time.sleep(0.1)
    return found


def _grandchildren(folder: Path) -> list[int]:
    """Return the children of the one process with *folder* on its command line whose parent we are."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
    servers = {
        process for process, parent in parents.items()
        if parent == os.getpid() and str(folder).encode() in Path(f"/proc/{process}/cmdline").read_bytes()
    }  # fmt: skip
    return sorted(process for process, parent in parents.items() if parent in servers)


def _resident(process: int) -> float:
    """Return a process's resident memory in MB. One that is gone is not flat at all: that raises."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass
class _Window:
    """What came back since the last sample."""

    hits: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    def told(self, at: float, seconds: float) -> dict[str, Any]:
        spread = report.spread([value * 1000 for value in self.hits or [0.0]])
        made, hits = self.answers["made"], self.answers["hit"]
        return {
            "at_seconds": round(at, 1), "hit_p50_ms": round(spread["p50"], 2),
            "hit_p99_ms": round(spread["p99"], 2), "misses_per_second": round(made / seconds, 1),
            "hit_rate": round(hits / max(hits + made, 1), 3), "answers": dict(self.answers),
        }  # fmt: skip


def _load(base: str, rate: int, seconds: float, samples: Connection) -> None:
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    asyncio.run(_Load(base, rate, samples).run(seconds))


class _Load:
    """Readers: asks at even moments, and sends what a window came to."""

    def __init__(self, base: str, rate: int, samples: Connection) -> None:
        self._base = base
        self._rate = rate
        self._samples = samples
        self._window = _Window()
        self._tags: dict[str, str] = {}
        self._chance = random.Random(1)  # noqa: S311 - no secret
        self._popularity = list(itertools.accumulate(1 / rank for rank in range(1, BOOKS + 1)))

    async def run(self, seconds: float) -> None:
        started = time.perf_counter()
        sent = started
        async with aiohttp.ClientSession(headers=serving.BROWSER) as client, asyncio.TaskGroup() as group:
            for number in range(int(self._rate * seconds)):
                moment = started + number / self._rate
                await asyncio.sleep(moment - time.perf_counter())
                group.create_task(self._ask(client, moment))
                if (now := time.perf_counter()) - sent >= WINDOW_SECONDS:
                    self._samples.send(self._window.told(now - started, now - sent))
                    self._window, sent = _Window(), now

    async def _ask(self, client: aiohttp.ClientSession, moment: float) -> None:
        kind = self._chance.choices(list(KINDS), list(KINDS.values()))[0]
        path = self._path(kind)
        tag = self._tags.get(path) if kind == "conditional" else None
        headers = {"If-None-Match": tag} if tag else {}
        method = "HEAD" if kind == "head" else "GET"
        async with client.request(method, self._base + path, headers=headers) as response:
            await response.read()
            status = response.headers["X-Cover-Status"]
        self._window.answers[status] += 1
        self._window.answers["not modified"] += response.status == 304
        if status == "hit":
            self._window.hits.append(time.perf_counter() - moment)
            self._tags[path] = response.headers["ETag"]

    def _path(self, kind: str) -> str:
        size = self._chance.choices(SIZES, SIZE_WEIGHTS)[0]
        number = self._chance.choices(range(BOOKS), cum_weights=self._popularity)[0]
        name = serving.isbn(number + BOOKS if kind == "uncovered" else number)
        if kind == "bad":
            name = f"{name[:-1]}{(int(name[-1]) + 1) % 10}"  # a wrong check digit
        return f"/{size}/isbn/{name}"


def _told(samples: list[dict[str, Any]], cap_mb: int) -> dict[str, Any]:
    """Hold the last quarter of the time against the second one: the first fills the cache."""
    quarter = max(len(samples) // 4, 1)
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    means = {
        name: [round(sum(each[name] for each in part) / len(part), 2) for part in (early, late)]
        for name in ("hit_p50_ms", "hit_p99_ms", "misses_per_second", "hit_rate", "disk_mb")
    }
    memory = [round(sum(sum(each["resident_mb"]) for each in part) / len(part), 1) for part in (early, late)]
    most = max(each["disk_mb"] for each in samples)
    return {
        "second_and_last_quarter": {**means, "resident_mb_of_all_workers": memory},
        "most_disk_mb": most, "holds": most <= cap_mb, "samples": samples,
    }  # fmt: skip


def _plot(samples: list[dict[str, Any]], cap_mb: int, path: Path) -> None:
    """Plot memory, hit p99 and disk use over time."""
    import matplotlib as mpl
    from matplotlib import pyplot

    mpl.rcParams["svg.hashsalt"] = "coverproxy"  # the same figures give the same file
    figure, axes = pyplot.subplots(3, 1, figsize=(8, 7), sharex=True, layout="constrained")
    minutes = [each["at_seconds"] / 60 for each in samples]
    names = [f"worker {number + 1}" for number in range(WORKERS)]
    axes[0].plot(minutes, [each["resident_mb"] for each in samples], label=names)
    axes[0].set(ylabel="resident MB")
    axes[1].plot(minutes, [each["hit_p99_ms"] for each in samples], label="p99")
    axes[1].plot(minutes, [each["hit_p50_ms"] for each in samples], label="p50")
    axes[1].set(ylabel="hit, ms")
    axes[2].plot(minutes, [each["disk_mb"] for each in samples], label="cache on disk")
    axes[2].axhline(cap_mb, color="C3", linestyle=":", label="cap")
    axes[2].set(ylabel="MB on disk", xlabel="minutes")
    for axis in axes:
        axis.set_ylim(0, axis.get_ylim()[1] * 1.2)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="upper right", ncols=2)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
