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

And at equal pictures, for what one gets who changes the settings: thumbor with full chroma at our score, and
ours at thumbor's score; ours where the fast scaler has no wheel; and ours and thumbor's first answers to
Chrome's real Accept header.

Beside each speed: CPU milliseconds a cover, of all of a server's processes but the nginx that distributes
connections to peers; mean bytes, and mean SSIMULACRA2 (bench/metric.py) of one derivative of every original.
Different builds of libvips and of JPEG encoders run here; so speed alone says little, and bytes and score
stand beside it. A run in which one process of a server did nearly all the work fails: by chance all eight
connections may end up with one.
"""

import asyncio
import contextlib
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from bench import books, command, metric, peers, plots, report, scratch, serve, turns
from bench.client import CHROME, ask_once
from bench.goals import Goal, at_least, at_most, ratio
from bench.peers import Peer
from bench.wrk import Wrk
from coverproxy.config import Config
from coverproxy.domain.formats import Format

CONNECTIONS = 8
BOX = (200, 300)
OURS, THUMBOR, IPX, FILTER = "coverproxy", "thumbor", "ipx", "nginx image_filter"
CHROME_OURS, CHROME_THUMBOR = "coverproxy, Chrome's Accept", "thumbor, Chrome's Accept"
EQUAL_THUMBOR, EQUAL_OURS = "thumbor 4:4:4 at our score", "coverproxy at thumbor's score"
FALLBACK = "coverproxy, libvips scales"
RENDER, SHARP, VIPS = "render() loop", "sharp loop", "vips thumbnail loop"
COLOURS = {
    OURS: plots.OURS, CHROME_OURS: plots.OURS, EQUAL_OURS: plots.OURS, FALLBACK: plots.OURS,
    RENDER: plots.LIMIT,
}  # fmt: skip

THUMBORS_SCORE = {"medium__decode_scale": 1.0, "medium__jpeg__quality": 68, "medium__jpeg__chroma": "4:2:0"}
"""Settings of ours that score as thumbor's defaults."""

OUR_QUALITY = 90
"""The quality at which thumbor with full chroma scores as ours."""

EQUAL_POINTS = 2.0
"""Of SSIMULACRA2: how far pictures that are called equal may lie apart."""

LEAST_SHARE = 0.3
"""Of its even share of the CPU time, what each process of a server must have had at least."""

Loop = Callable[[list[Path]], Iterator[bytes]]


class Target(NamedTuple):
    """A server that makes covers: its URL, paths by number of the book, what every answer must say.

    `workers`: the processes of each that share the work. `accept`: what is asked with.
    """

    url: str
    paths: list[str]
    workers: tuple[tuple[int, ...], ...]
    wanted: str = ""
    accept: str = ""


class Maker(NamedTuple):
    """One rival: how many it makes a second, one derivative of each original, CPU ms a cover by round."""

    measure: Callable[[], float]
    made: Callable[[], list[bytes]]
    cpu_ms: list[float]


@command.command(__name__, __doc__)
@command.covers
@command.workers
@command.seconds(6.0)
@command.rounds
@click.option("--books", "count", type=click.IntRange(1000, 1_000_000), default=30_000, show_default=True)
@command.out
def main(covers: Path | None, workers: int, seconds: float, rounds: int, count: int, out: Path) -> None:
    """Have all take turns, judge their pictures, and write the result."""
    with scratch.folder() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        found = books.originals(covers, folder / "drawn")
        peers.shelve(folder / "originals", found, count)
        targets, skipped = turns.opened(stack, _openings(folder, found, workers, count))
        makers = {each: _server(each, target, folder / "wrk" / str(at), found, seconds)
                  for at, (each, target) in enumerate(targets.items())}  # fmt: skip
        makers |= _loops(found, workers, seconds, folder, skipped)
        figures = turns.taken({each: maker.measure for each, maker in makers.items()}, rounds)
        told = turns.told(figures, skipped)
        scores = stack.enter_context(metric.judges())
        for each, maker in makers.items():
            told[each] |= _judged(scores, [path.read_bytes() for path in found], maker.made())
            if maker.cpu_ms:
                told[each]["cpu_ms"] = round(statistics.median(maker.cpu_ms), 2)
    settings = {
        **books.described(covers, found), "box": BOX, "workers": workers, "connections": CONNECTIONS,
        "seconds": seconds, "rounds": rounds, "books": count,
    }  # fmt: skip
    path = report.write("misses", settings, told, out, held=held(figures, told), versions=peers.versions())
    _plot({each: of for each, of in told.items() if "per_second" in of}, out / "misses.svg")
    print(path)


def held(figures: dict[str, list[float]], told: dict[str, Any]) -> list[Goal]:
    """Hold the figures against the goals."""
    ours, theirs, loop = told[OURS], told.get(THUMBOR, {}), told.get(RENDER, {})
    more = share = None
    if "bytes_mean" in theirs:
        more = ours["ssimulacra2_mean"] - theirs["ssimulacra2_mean"]
        share = ours["bytes_mean"] / theirs["bytes_mean"]
    around = ours["cpu_ms"] - loop["cpu_ms"] if "cpu_ms" in loop else None
    at_ours, at_theirs = _cpu(told, EQUAL_THUMBOR, OURS), _cpu(told, THUMBOR, EQUAL_OURS)
    return [
        at_least("misses ÷ thumbor at its own defaults", ratio(figures, OURS, THUMBOR), 1.30),
        at_least("SSIMULACRA2 at medium, points more than thumbor's", more, 12),
        at_most("bytes at medium ÷ thumbor's", share, 1.0),
        at_least("CPU a cover, thumbor's at our score ÷ ours", at_ours, 1.8, _scored(told, EQUAL_THUMBOR)),
        at_least("CPU a cover, thumbor's ÷ ours at its score", at_theirs, 1.8, _scored(told, EQUAL_OURS)),
        at_most("CPU around render(), ms a cover", around, 1.3),
        at_least("misses ÷ ipx", ratio(figures, OURS, IPX), 1.9),
        at_least("misses ÷ nginx image_filter", ratio(figures, OURS, FILTER), 3.3),
        at_least("first answers to Chrome ÷ thumbor's", ratio(figures, CHROME_OURS, CHROME_THUMBOR), 1.30),
    ]


def _cpu(told: dict[str, Any], theirs: str, ours: str) -> float | None:
    """Return their CPU time a cover ÷ ours; None unless their pictures are equal to ours."""
    if "cpu_ms" not in told.get(theirs, {}) or "cpu_ms" not in told.get(ours, {}):
        return None
    scores = [told[each]["ssimulacra2_mean"] for each in (theirs, ours)]
    if abs(scores[0] - scores[1]) > EQUAL_POINTS:
        return None
    return float(told[theirs]["cpu_ms"] / told[ours]["cpu_ms"])


def _scored(told: dict[str, Any], name: str) -> str:
    score = told.get(name, {}).get("ssimulacra2_mean")
    return f"scores {score}" if score is not None else ""


def _openings(
    folder: Path, found: list[Path], workers: int, count: int
) -> dict[str, Callable[[], contextlib.AbstractContextManager[Target]]]:
    originals = folder / "originals"
    ours = partial(_ours, folder, found, workers, count)
    thumbor = partial(peers.thumbor, originals, keeps=False, processes=workers)
    return {
        OURS: lambda: ours("data"),
        THUMBOR: lambda: _peer(thumbor(folder=folder / "thumbor"), count),
        IPX: lambda: _peer(peers.ipx(originals, folder / "ipx", keeps=False, processes=workers), count),
        FILTER: lambda: _peer(peers.image_filter(originals, folder / "filter", workers=workers), count),
        CHROME_OURS: lambda: ours("data-chrome", accept=CHROME),
        CHROME_THUMBOR: lambda: _peer(thumbor(folder=folder / "thumbor-chrome"), count, CHROME),
        EQUAL_THUMBOR: lambda: _peer(
            thumbor(folder=folder / "thumbor-equal", settings=_full_chroma(OUR_QUALITY)), count
        ),
        EQUAL_OURS: lambda: ours("data-equal", sizes=THUMBORS_SCORE),
        FALLBACK: lambda: ours("data-fallback", env={"COVERPROXY_SCALER": "libvips"}),
    }


def _full_chroma(quality: int) -> str:
    """Return thumbor's settings for 4:4:4, in Python as its file is.

    With PILLOW_JPEG_SUBSAMPLING of its own thumbor 7.8 asks Pillow for quality 0, which present versions of
    Pillow take by its word.
    """
    return f"""from PIL import Image
_save = Image.Image.save
def _saved(self, fp, format=None, **options):
    if format == "JPEG":
        options |= {{"quality": {quality}, "subsampling": 0}}
    return _save(self, fp, format, **options)
Image.Image.save = _saved
"""


@contextlib.contextmanager
def _ours(
    folder: Path, found: list[Path], workers: int, count: int, name: str, *,
    accept: str = "", sizes: dict[str, Any] | None = None, env: dict[str, str] | None = None,
) -> Iterator[Target]:  # fmt: skip
    """Serve books of our own: what one rival has made, another would find."""
    books.fill(folder / name, found, count)
    settings = {**serve.PATIENT, **({"sizes": sizes} if sizes else {})}
    with serve.app(folder / name, workers, settings, env=env) as served:
        families = [serve.family(worker) for worker in serve.workers_of(served.process, workers)]
        paths = [served.path(number) for number in range(count)]
        yield Target(served.url, paths, tuple(map(tuple, families)), "made", accept)


@contextlib.contextmanager
def _peer(opening: contextlib.AbstractContextManager[Peer], count: int, accept: str = "") -> Iterator[Target]:
    with opening as peer:
        names = [f"{books.isbn(number)}.jpg" for number in range(count)]
        paths = [peer.path(name, BOX, Format.JPEG) for name in names]
        families = tuple(tuple(serve.family(process)) for process in peer.processes)
        yield Target(peer.url, paths, families, accept=accept)


def _server(name: str, target: Target, folder: Path, originals: list[Path], seconds: float) -> Maker:
    """Ask a server. The first books are made before: for their picture, and so that imports are done."""
    count = len(originals)
    asked = ask_once(target.url, target.paths[:count], CONNECTIONS, target.accept or "*/*")
    bodies = [body for status, _, body in asyncio.run(asked) if status == 200]
    assert len(bodies) == count, f"{target.url} made {len(bodies)} of {count} covers"
    wrk = Wrk(target.url, target.paths, folder, CONNECTIONS, target.accept)
    wrk.at = count
    cpu_ms: list[float] = []

    def measure() -> float:
        before = [serve.cpu_seconds(worker) for worker in target.workers]
        run = wrk.run(seconds, target.wanted)
        taken = [serve.cpu_seconds(worker) - one for worker, one in zip(target.workers, before, strict=True)]
        check_even(name, taken)
        cpu_ms.append(sum(taken) * 1000 / run.answers)
        return run.per_second

    return Maker(measure, lambda: bodies, cpu_ms)


def check_even(name: str, taken: list[float]) -> None:
    """Raise RuntimeError if one process of a server took nearly all of the CPU time."""
    if taken and min(taken) < LEAST_SHARE * sum(taken) / len(taken):
        told = ", ".join(f"{seconds:.1f} s" for seconds in taken)
        raise RuntimeError(f"{name}: its processes were not evenly loaded: {told}")


def _loops(
    found: list[Path], workers: int, seconds: float, folder: Path, skipped: dict[str, str]
) -> dict[str, Maker]:
    """Return the loops without a server; why sharp cannot run is added to *skipped*."""
    loops: dict[str, Loop] = {RENDER: _render, VIPS: _thumbnail}
    makers = {}
    for name, loop in loops.items():
        cpu_ms: list[float] = []
        measure = partial(_in_processes, loop, found, workers, seconds, cpu_ms)
        makers[name] = Maker(measure, partial(_each, loop, found), cpu_ms)
    try:
        peers.node_modules()
    except serve.Skipped as exc:
        skipped[SHARP] = str(exc)
        return makers
    made = partial(peers.sharp, found, folder / "sharp", BOX, Format.JPEG)
    return makers | {SHARP: Maker(partial(peers.sharp_per_second, found, BOX, workers, seconds), made, [])}


def _each(loop: Loop, found: list[Path]) -> list[bytes]:
    return [body for body, _ in zip(loop(found), found, strict=False)]


def _in_processes(
    loop: Loop, originals: list[Path], count: int, seconds: float, cpu_ms: list[float]
) -> float:
    """Run *loop* in *count* fresh processes for *seconds*; return covers a second, and note CPU ms."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    with context.Pool(count, _set_barrier, [barrier]) as pool:
        found = pool.starmap(_timed, [(loop, originals, seconds)] * count, chunksize=1)
    rates, costs = zip(*found, strict=True)
    cpu_ms.append(statistics.fmean(costs))
    return float(sum(rates))


def _set_barrier(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


_barrier: Any = None
"""Set in the processes of a pool: a barrier can be inherited and not be sent."""


def _timed(loop: Loop, originals: list[Path], seconds: float) -> tuple[float, float]:
    """Return covers per second, and CPU milliseconds a cover."""
    making = loop(originals)
    for _ in range(4):  # imports and first use are not what is measured
        next(making)
    _barrier.wait(60)
    started, begun = time.perf_counter(), time.process_time()
    made, taken = 0, 0.0
    while taken < seconds:
        next(making)
        made, taken = made + 1, time.perf_counter() - started
    return made / taken, (time.process_time() - begun) * 1000 / made


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
