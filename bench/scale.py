"""What do 30 million books and a million covers cost to start, look up, evict, keep, and how does it grow?

    python -m bench scale [--books 100000 --books 30000000] [--files 10000 --files 1000000] [--folder DIR]

For each number of --books: a catalogue of that size (bench/catalogue.py), its bytes, lookups in process, and
how long `coverproxy serve` takes over it from its start to its first answer, which asks the catalogue. For
each number of --files: a cache of that size (bench/evict.py), its bytes, walking, planning and evicting, and
the same start over it. Starts: the median of three; imports are part of them.

30 million books take 3.4 GB and some 4 minutes, a million covers 4 GB and some 3.
"""

import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import click

from bench import books, catalogue, command, evict, plots, report, serve
from bench.goals import Goal, at_most
from coverproxy.wiring.data_folder import DataFolder

GOAL_BOOKS = 30_000_000
STARTS = 3


@command.command(__name__, __doc__)
@click.option(
    "--books", "sizes", type=click.IntRange(1000, 100_000_000), multiple=True,
    default=(100_000, 1_000_000, 5_000_000, 30_000_000), show_default=True,
)  # fmt: skip
@click.option(
    "--files", type=click.IntRange(1000, 10_000_000), multiple=True,
    default=(10_000, 100_000, 1_000_000), show_default=True,
)  # fmt: skip
@click.option(
    "--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Where all is made."
)
@command.out
def main(sizes: tuple[int, ...], files: tuple[int, ...], folder: Path | None, out: Path) -> None:
    """Measure every size, and write the result."""
    figures: dict[str, list[dict[str, Any]]] = {"catalogue": [], "cache": []}
    for count in sorted(sizes):
        figures["catalogue"].append(_catalogue(folder, count))
        report.show(figures["catalogue"][-1])
    for count in sorted(files):
        figures["cache"].append(_cache(folder, count))
        report.show(figures["cache"][-1])
    settings = {
        "lookups": catalogue.LOOKUPS,
        "originals_per_book": 1.1,
        "cover_bytes": len(evict.BODY),
        "starts": STARTS,
    }
    print(report.write("scale", settings, figures, out, held=_held(figures)))
    _plot(figures, out / "scale.svg")


def _catalogue(folder: Path | None, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        data = Path(name, "data")
        data.mkdir()
        measured = catalogue.measure(data / "catalogue.db", count)
        return {**measured, "start_seconds": _start(data)}


def _cache(folder: Path | None, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        data = Path(name, "data")
        layout = DataFolder(books.config_of(data)).layout
        started = time.perf_counter()
        evict.fill(layout, count)
        filled = round(time.perf_counter() - started, 1)
        start = _start(data)
        measured = evict.measure(layout)
        per_cover = round(measured["bytes"] / measured["files"], 1)
        return {**measured, "fill_seconds": filled, "disk_bytes_per_cover": per_cover, "start_seconds": start}


def _start(data: Path) -> float:
    """Return the seconds from the start of a service over *data* to its first answer."""
    key, taken = books.new_key(data), []
    for _ in range(STARTS):
        started = time.perf_counter()
        with serve.app(data, 1, {}, key) as served:
            with urllib.request.urlopen(served.url + served.path(0), timeout=30) as answer:  # noqa: S310 - loopback
                answer.read()
            taken.append(time.perf_counter() - started)
    return round(statistics.median(taken), 3)


def _held(figures: dict[str, list[dict[str, Any]]]) -> list[Goal]:
    full = next((of for of in figures["catalogue"] if of["books"] >= GOAL_BOOKS), None)
    lookup = full["found_us"]["p50"] if full else None
    starts = [of["start_seconds"] for of in (full, *figures["cache"][-1:]) if of]
    cover = f"the slower of it and {figures['cache'][-1]['files']:,} covers" if figures["cache"] else ""
    return [
        at_most("catalogue lookup with 30 million ISBNs, p50, µs", lookup, 20),
        at_most("start to first answer with 30 million ISBNs, s", max(starts) if full else None, 1, cover),
    ]


def _plot(figures: dict[str, list[dict[str, Any]]], path: Path) -> None:
    with plots.figure(path, 3, (12, 6), rows=2) as (above, below):
        known, covers = figures["catalogue"], figures["cache"]
        lookups = {f"{kind} {part}": [of[f"{kind}_us"][part] for of in known]
                   for kind in ("found", "missing") for part in ("p50", "p99")}  # fmt: skip
        sizes, files = [of["books"] for of in known], [of["files"] for of in covers]
        _grown(above[0], sizes, lookups, ("books", "µs of a lookup"))
        _grown(
            above[1],
            sizes,
            {"start": [of["start_seconds"] for of in known]},
            ("books", "s to the first answer"),
        )
        _grown(above[2], sizes, {"file": [of["bytes_per_book"] for of in known]}, ("books", "bytes per book"))
        walks = {
            "walk": [of["walk_seconds"] for of in covers],
            "plan": [of["plan_milliseconds"] / 1000 for of in covers],
            "walk and evict a tenth": [of["walk_and_evict_seconds"] for of in covers],
        }
        _grown(below[0], files, walks, ("covers", "s"), yscale="log")
        _grown(
            below[1],
            files,
            {"start": [of["start_seconds"] for of in covers]},
            ("covers", "s to the first answer"),
        )
        disk = {"of 2 KB, folders included": [of["disk_bytes_per_cover"] for of in covers]}
        _grown(below[2], files, disk, ("covers", "bytes on disk per cover"))


def _grown(
    axis: Any,
    sizes: list[int],
    lines: dict[str, list[float]],
    labels: tuple[str, str],
    yscale: str = "linear",
) -> None:
    for name, values in lines.items():
        axis.plot(sizes, values, "o-", label=name, markersize=4)
    axis.set(xscale="log", yscale=yscale, xlabel=labels[0], ylabel=labels[1])
    if yscale == "linear":
        axis.set_ylim(0, axis.get_ylim()[1] * 1.2)
    axis.tick_params(axis="x", which="minor", labelbottom=False)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
