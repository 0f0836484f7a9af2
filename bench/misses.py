"""How many covers are made a second, how large and how good are they, against what else could make them?

    python -m bench misses [--covers DIR] [--workers 2] [--seconds 6] [--rounds 3] [--books 30000]

Medium JPEGs (200×300) of the same originals, each book asked for once, over 8 connections (wrk); all servers
in as many processes, peers at their own defaults:

coverproxy           `coverproxy serve`, without a web server before it; every answer must say "made"
thumbor              behind an nginx that shares out the connections; without result storage, so that it
                     writes nothing: in its favour
ipx                  behind an nginx without a cache
nginx image_filter   without a cache, each worker behind that nginx, too
render() loop        the product's own render() in a loop, original by original from the disk, in as many
                     spawned processes without any server: the limit of this pipeline
sharp loop           the same in Node.js, at its own defaults
vips thumbnail loop  the same with libvips' own thumbnail: JPEG Q75, 4:2:0

Beside each speed: mean bytes, and mean SSIMULACRA2 (bench/metric.py) of one derivative of every original.
Different builds of libvips and of JPEG encoders run here; so speed alone says little, and bytes and score
stand beside it.
"""

import asyncio
import contextlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from bench import books, command, metric, peers, plots, report, serve, turns
from bench.client import ask_once
from bench.goals import Goal, at_least, at_most, ratio
from bench.peers import Peer
from bench.wrk import Wrk
from coverproxy.config import Config
from coverproxy.domain.formats import Format

CONNECTIONS = 8
BOX = (200, 300)
OURS, THUMBOR, IPX, FILTER = "coverproxy", "thumbor", "ipx", "nginx image_filter"
RENDER, SHARP, VIPS = "render() loop", "sharp loop", "vips thumbnail loop"
COLOURS = {OURS: plots.OURS, RENDER: plots.LIMIT}

Loop = Callable[[list[Path]], Iterator[bytes]]


class Target(NamedTuple):
    """A server that makes covers: its URL, paths by number of the book, what every answer must say."""

    url: str
    paths: list[str]
    wanted: str = ""


class Maker(NamedTuple):
    """One rival: how many it makes a second, and one derivative of each original."""

    measure: Callable[[], float]
    made: Callable[[], list[bytes]]


@command.command(__name__, __doc__)
@command.covers
@command.workers
@command.seconds(6.0)
@command.rounds
@click.option("--books", "count", type=click.IntRange(1000, 1_000_000), default=30_000, show_default=True)
@command.out
def main(covers: Path | None, workers: int, seconds: float, rounds: int, count: int, out: Path) -> None:
    """Have all take turns, judge their pictures, and write the result."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        found = books.originals(covers, folder / "drawn")
        books.fill(folder / "data", found, count)
        peers.shelve(folder / "originals", found, count)
        targets, skipped = turns.opened(stack, _openings(folder, workers, count))
        makers = {each: _server(target, folder / "wrk" / str(at), found, seconds)
                  for at, (each, target) in enumerate(targets.items())}  # fmt: skip
        makers |= _loops(found, workers, seconds, folder, skipped)
        figures = turns.taken({each: maker.measure for each, maker in makers.items()}, rounds)
        told = turns.told(figures, skipped)
        scores = stack.enter_context(metric.judges())
        for each, maker in makers.items():
            told[each] |= _judged(scores, [path.read_bytes() for path in found], maker.made())
    settings = {
        **books.described(covers, found), "box": BOX, "workers": workers, "connections": CONNECTIONS,
        "seconds": seconds, "rounds": rounds, "books": count,
    }  # fmt: skip
    path = report.write("misses", settings, told, out, held=_held(figures, told), versions=peers.versions())
    _plot({each: of for each, of in told.items() if "per_second" in of}, out / "misses.svg")
    print(path)


def _held(figures: dict[str, list[float]], told: dict[str, Any]) -> list[Goal]:
    ours, theirs = told[OURS], told.get(THUMBOR, {})
    more = share = None
    if "bytes_mean" in theirs:
        more = ours["ssimulacra2_mean"] - theirs["ssimulacra2_mean"]
        share = ours["bytes_mean"] / theirs["bytes_mean"]
    return [
        at_least("misses ÷ thumbor at its own defaults", ratio(figures, OURS, THUMBOR), 1.25),
        at_least("SSIMULACRA2 at medium, points more than thumbor's", more, 12),
        at_most("bytes at medium ÷ thumbor's", share, 1.0),
        at_least("misses ÷ bare loop of the same pipeline", ratio(figures, OURS, RENDER), 0.85),
        at_least("misses ÷ ipx", ratio(figures, OURS, IPX), 2),
        at_least("misses ÷ nginx image_filter", ratio(figures, OURS, FILTER), 5),
    ]


def _openings(
    folder: Path, workers: int, count: int
) -> dict[str, Callable[[], contextlib.AbstractContextManager[Target]]]:
    originals = folder / "originals"
    return {
        OURS: lambda: _ours(folder / "data", workers, count),
        THUMBOR: lambda: _peer(
            peers.thumbor(originals, folder / "thumbor", keeps=False, processes=workers), count
        ),
        IPX: lambda: _peer(peers.ipx(originals, folder / "ipx", keeps=False, processes=workers), count),
        FILTER: lambda: _peer(peers.image_filter(originals, folder / "filter", workers=workers), count),
    }


@contextlib.contextmanager
def _ours(data: Path, workers: int, count: int) -> Iterator[Target]:
    with serve.app(data, workers) as served:
        yield Target(served.url, [served.path(number) for number in range(count)], "made")


@contextlib.contextmanager
def _peer(opening: contextlib.AbstractContextManager[Peer], count: int) -> Iterator[Target]:
    with opening as peer:
        names = [f"{books.isbn(number)}.jpg" for number in range(count)]
        yield Target(peer.url, [peer.path(name, BOX, Format.JPEG) for name in names])


def _server(target: Target, folder: Path, originals: list[Path], seconds: float) -> Maker:
    """Ask a server. The first books are made before: for their picture, and so that imports are done."""
    count = len(originals)
    answers = asyncio.run(ask_once(target.url, target.paths[:count], CONNECTIONS))
    bodies = [body for status, _, body in answers if status == 200]
    assert len(bodies) == count, f"{target.url} made {len(bodies)} of {count} covers"
    wrk = Wrk(target.url, target.paths, folder, CONNECTIONS)
    wrk.at = count
    return Maker(lambda: wrk.run(seconds, target.wanted).per_second, lambda: bodies)


def _loops(
    found: list[Path], workers: int, seconds: float, folder: Path, skipped: dict[str, str]
) -> dict[str, Maker]:
    """Return the loops without a server; why sharp cannot run is added to *skipped*."""
    loops: dict[str, Loop] = {RENDER: _render, VIPS: _thumbnail}
    makers = {
        name: Maker(partial(_in_processes, loop, found, workers, seconds), partial(_each, loop, found))
        for name, loop in loops.items()
    }
    try:
        peers.node_modules()
    except serve.Skipped as exc:
        skipped[SHARP] = str(exc)
        return makers
    measure = partial(peers.sharp_per_second, found, BOX, workers, seconds)
    made = partial(peers.sharp, found, folder / "sharp", BOX, Format.JPEG)
    return makers | {SHARP: Maker(measure, made)}


def _each(loop: Loop, found: list[Path]) -> list[bytes]:
    return [body for body, _ in zip(loop(found), found, strict=False)]


def _in_processes(loop: Loop, originals: list[Path], count: int, seconds: float) -> float:
    """Run *loop* in *count* fresh processes for *seconds*; return covers per second."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    with context.Pool(count, _set_barrier, [barrier]) as pool:
        rates = pool.starmap(_timed, [(loop, originals, seconds)] * count, chunksize=1)
    return sum(rates)


def _set_barrier(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


_barrier: Any = None
"""Set in the processes of a pool: a barrier can be inherited and not be sent."""


def _timed(loop: Loop, originals: list[Path], seconds: float) -> float:
    making = loop(originals)
    for _ in range(4):  # imports and first use are not what is measured
        next(making)
    _barrier.wait(60)
    started = time.perf_counter()
    made, taken = 0, 0.0
    while taken < seconds:
        next(making)
        made, taken = made + 1, time.perf_counter() - started
    return made / taken


def _render(originals: list[Path]) -> Iterator[bytes]:
    from coverproxy.imaging.render import render

    config = Config()
    while True:
        for path in originals:
            yield render(path.read_bytes(), config.sizes["medium"], Format.JPEG, config.limits).body


def _thumbnail(originals: list[Path]) -> Iterator[bytes]:
    from coverproxy.imaging import vips

    library = vips.library()
    while True:
        for path in originals:
            image = library.Image.thumbnail_buffer(path.read_bytes(), BOX[0], height=BOX[1], size="down")
            yield image.jpegsave_buffer(keep="none")


def _judged(judge: metric.Scores, originals: list[bytes], made: list[bytes]) -> dict[str, float]:
    scores = judge(originals, made)
    return {
        "bytes_mean": round(statistics.fmean(map(len, made))),
        "ssimulacra2_mean": round(statistics.fmean(scores), 2),
        "ssimulacra2_median": round(statistics.median(scores), 2),
    }


def _plot(told: dict[str, Any], path: Path) -> None:
    with plots.figure(path, 2, (11, 3.4)) as (left, right):
        plots.bars(left, {name: of["per_second"] for name, of in told.items()}, COLOURS, "covers per second")
        for at, (name, of) in enumerate(sorted(told.items(), key=lambda item: item[1]["per_second"])):
            colour = COLOURS.get(name, plots.PEER)
            place = of["per_second"], of["ssimulacra2_mean"]
            right.plot(*place, "o", color=colour)
            label, shift = f"{name}, {of['bytes_mean'] / 1000:.1f} kB", (14, -20, 28, -34)[at % 4]
            right.annotate(
                label, place, xytext=(0, shift), textcoords="offset points", fontsize=7, ha="center",
                color=colour, arrowprops={"arrowstyle": "-", "color": colour, "alpha": 0.3},
            )  # fmt: skip
        right.set(xlabel="covers per second", ylabel="mean SSIMULACRA2")
        right.margins(0.25, 0.6)
        right.grid(alpha=0.3)
        right.set_title("right and up is better", fontsize=9)
