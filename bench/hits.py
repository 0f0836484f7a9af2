"""How many covers that are made already go out a second, against nginx alone and what else could be run?

    python -m bench hits [--covers DIR] [--books 20000] [--hot 500] [--peer-books 4000] [--seconds 5]
                         [--rounds 3] [--open-files 0] [--many 0] [--nginx-only]

Medium JPEGs of --books distinct books, in random order, over 32 connections (wrk). Through the web server:

nginx plain files            the same files by their plain path, nothing else: the limit
the same, links and headers  the same files by a key's two links, with a hit's headers: the layout's limit
our nginx conf               what `coverproxy nginx-conf` writes, in 2 workers, before a running service
Open Library's addresses     the same covers as its clients ask for them, with `?default=false`
Amazon's addresses           by ISBN-10
openBD's addresses, large    which are of the large size; beside "nginx plain files, large"
thumbor, result storage      2 processes, behind an nginx that shares out the connections
ipx behind nginx             2 processes; all hits come from nginx's proxy_cache, in 2 workers

Without one, each in a single process, so that the figure is per worker; the second core is wrk's:

our app alone                over --hot books
minimal aiohttp handler      sends the same bytes from a dict, over --hot books: the limit
our app alone, all books     over --books

Beside the rates of nginx and of ours: CPU microseconds a hit of the processes that answer. They depend less
on how connections happen to fall to workers. The goals are held against plain files by their plain path.

Peers are asked for --peer-books books only, as making all would take minutes: that is in their favour. Their
originals lie in a local folder, and their caches are filled before. No server keeps an access log.

--open-files: how many files a worker of nginx keeps open (front.open_files), for plain files and ours alike,
and as long before it looks at one again (front.open_file_seconds). The result is hits_open.json then.

--many: so many books besides, in a data folder of their own, through our nginx conf and as plain files: do
more covers cost more? 200,000 take some 3 GB of disk and a minute.

--nginx-only: without peers and the app alone.
"""

import asyncio
import contextlib
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson

from bench import books, command, peers, plots, report, scratch, serve, turns
from bench.client import ask_once
from bench.goals import Goal, at_least, at_most, ratio
from bench.hits_stage import NATIVE, SHAPES, Stage, shaped, staged
from bench.peers import Peer
from bench.wrk import Wrk
from coverproxy.cache.layout import VERSION
from coverproxy.domain.formats import Format
from coverproxy.web.answers import hit_headers

CONNECTIONS = 32
BOX = (200, 300)
PLAIN, FRONT = "nginx plain files", "our nginx conf"
LINKED = "the same, links and headers"
ALONE, MINIMAL, ALL = "our app alone", "minimal aiohttp handler", "our app alone, all books"
LARGE, MANY = "nginx plain files, large", "our nginx conf, many books"
MANY_PLAIN = "nginx plain files, many books"
OPENLIBRARY = "Open Library's addresses"
LIMITS = {"openBD's addresses, large": LARGE, MANY: MANY_PLAIN}
"""What a row through nginx is held against, where it is not PLAIN."""

COLOURS = dict.fromkeys((FRONT, ALONE, ALL), plots.OURS) | dict.fromkeys(
    (PLAIN, LINKED, MINIMAL), plots.LIMIT
)

LEAST_BYTES = 2048
"""Any cover is larger, and every answer that is none is smaller."""


class Target(NamedTuple):
    """What a rival is asked for: its URL, the paths, and the processes whose CPU time is told."""

    url: str
    paths: list[str]
    processes: tuple[int, ...] = ()


class Rivals(NamedTuple):
    """Who takes part: books of ours, more of them if asked for, and what the others need."""

    folder: Path
    found: list[Path]
    stage: Stage
    many: Stage | None
    hot: int
    peer_books: int
    nginx_only: bool


@command.command(__name__, __doc__)
@command.covers
@click.option("--books", "count", type=click.IntRange(2, 1_000_000), default=20_000, show_default=True)
@click.option("--hot", type=click.IntRange(1, 100_000), default=500, show_default=True)
@click.option("--peer-books", type=click.IntRange(1, 100_000), default=4000, show_default=True)
@click.option("--open-files", type=click.IntRange(0, 1_000_000), default=0, show_default=True)
@click.option("--many", type=click.IntRange(0, 10_000_000), default=0, show_default=True)
@click.option("--nginx-only", is_flag=True, help="Without peers and the app alone.")
@command.seconds(5.0)
@command.rounds
@command.out
def main(
    covers: Path | None, count: int, hot: int, peer_books: int, open_files: int, many: int, nginx_only: bool,
    seconds: float, rounds: int, out: Path,
) -> None:  # fmt: skip
    """Have all take turns, and write the result."""
    with scratch.folder() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        found = books.originals(covers, folder / "drawn")
        stage = staged(folder, found, count, open_files)
        more = staged(folder / "many", found, many, open_files) if many else None
        peers.shelve(folder / "originals", found, min(peer_books, count))
        rivals = Rivals(folder, found, stage, more, min(hot, count), min(peer_books, count), nginx_only)
        targets, skipped = turns.opened(stack, _openings(rivals))
        costs: dict[str, list[float]] = {each: [] for each, target in targets.items() if target.processes}
        figures = turns.taken(
            {
                each: _measure(each, target, folder, seconds, costs.get(each))
                for each, target in targets.items()
            },
            rounds,
        )
    told = turns.told(figures, skipped)
    _tell_costs(told, figures, costs)
    settings = {
        **books.described(covers, found), "books": count, "many": many, "hot": hot, "peer_books": peer_books,
        "size": stage.size, "connections": CONNECTIONS, "seconds": seconds, "rounds": rounds,
        "nginx_workers": 2, "open_files": open_files,
    }  # fmt: skip
    print(_written(told, settings, _held(figures, costs, hot, open_files), out))


def _written(told: dict[str, Any], settings: dict[str, Any], held: list[Goal], out: Path) -> Path:
    name = "hits_open" if settings["open_files"] else "hits"
    path = report.write(name, settings, told, out, held=held, versions=peers.versions())
    rates = {each: of["per_second"] for each, of in told.items() if "per_second" in of}
    _plot(rates, path.with_suffix(".svg"))
    return path


def _tell_costs(told: dict[str, Any], figures: dict[str, list[float]], costs: dict[str, list[float]]) -> None:
    """Add the CPU time of a hit, and for what nginx answers, both as ratios to plain files of its size."""
    for each, taken in costs.items():
        told[each]["cpu_us"] = round(statistics.median(taken), 1)
        limit = LIMITS.get(each, PLAIN)
        if each in (LINKED, FRONT, *LIMITS, *SHAPES) and (cpu := ratio(costs, each, limit)):
            told[each] |= {
                "held_against": limit, "cpu_ratio": round(cpu, 3),
                "rate_ratio": round(ratio(figures, each, limit) or 0, 3),
            }  # fmt: skip


def _held(
    figures: dict[str, list[float]], costs: dict[str, list[float]], hot: int, open_files: int
) -> list[Goal]:
    per_worker = statistics.median(figures[ALL]) if ALL in figures else None
    rate, cpu = (0.93, 1.08) if open_files else (0.90, 1.12)
    return [
        at_least("hits through nginx ÷ nginx plain files", ratio(figures, FRONT, PLAIN), rate),
        at_most("CPU a hit through nginx ÷ plain files'", ratio(costs, FRONT, PLAIN), cpu),
        at_least("hits by Open Library's addresses ÷ plain files", ratio(figures, OPENLIBRARY, PLAIN), 0.90),
        at_most("CPU a hit, many books ÷ --books", ratio(costs, MANY, FRONT), 1.05),
        at_least("hits of page-cached books, app alone, per worker and second", per_worker, 7000),
        at_least(
            "hits, app alone, per worker ÷ minimal aiohttp handler", ratio(figures, ALONE, MINIMAL), 0.85,
            f"over {hot} covers",
        ),
    ]  # fmt: skip


def _openings(rivals: Rivals) -> dict[str, Callable[[], AbstractContextManager[Target]]]:
    stage = rivals.stage
    openings: dict[str, Callable[[], AbstractContextManager[Target]]]
    openings = {PLAIN: partial(_plain, stage), LINKED: partial(_linked, stage), FRONT: partial(_front, stage)}
    for shape in SHAPES:
        if shape != NATIVE:
            other = shaped(stage, rivals.found, shape)
            if LIMITS.get(shape):
                openings[LIMITS[shape]] = partial(_plain, other)
            openings[shape] = partial(_front, other)
    if rivals.many:
        openings |= {MANY_PLAIN: partial(_plain, rivals.many), MANY: partial(_front, rivals.many)}
    others = _others(rivals)
    if rivals.nginx_only:
        others = dict.fromkeys(others, _left_out)
    return openings | others


def _left_out() -> AbstractContextManager[Target]:
    raise serve.Skipped("left out by --nginx-only")


def _others(rivals: Rivals) -> dict[str, Callable[[], AbstractContextManager[Target]]]:
    originals, folder, stage = rivals.folder / "originals", rivals.folder, rivals.stage
    return {
        "thumbor, result storage": lambda: _peer(
            peers.thumbor(originals, folder / "thumbor", keeps=True), rivals.peer_books
        ),
        "ipx behind nginx": lambda: _peer(
            peers.ipx(originals, folder / "ipx", keeps=True), rivals.peer_books
        ),
        ALONE: partial(_alone, stage, range(rivals.hot)),
        MINIMAL: partial(_minimal, stage, rivals.hot),
        ALL: partial(_alone, stage, range(len(stage.files))),
    }


def _plain(stage: Stage) -> AbstractContextManager[Target]:
    """Serve the cache's own files, in the folder of this size's settings, by their path in it."""
    return _static(stage, stage.files[0].parents[2], "plain")


@contextlib.contextmanager
def _linked(stage: Stage) -> Iterator[Target]:
    """Serve them as a hit is found, by the links of a key and of the size, and with all that a hit says.

    No way of serving the cache can take less: the links are its layout, and the headers its contract.
    """
    links = stage.data / "cache" / VERSION / "by-key" / books.new_key(stage.data)
    said = hit_headers(books.config_of(stage.data).answers).items()
    headers = " ".join(f'add_header {name} "{value}";' for name, value in said)
    with _static(stage, links / stage.size / "jpg" / "isbn", "linked", headers) as target:
        yield target


@contextlib.contextmanager
def _static(stage: Stage, root: Path, name: str, headers: str = "") -> Iterator[Target]:
    port, below, place = serve.free_port(), stage.files[0].parents[2], stage.place(name)
    seconds = books.config_of(stage.data).front.open_file_seconds
    kept = f"open_file_cache max={stage.open_files} inactive=60s; open_file_cache_valid {seconds}s;"
    kept = kept if stage.open_files else "open_file_cache off;"
    http = f"""types {{ image/jpeg jpg; }} access_log off; sendfile on; tcp_nopush on;
        keepalive_requests 10000; {kept}
        server {{ listen 127.0.0.1:{port}; root {root}; {headers} }}"""
    with serve.nginx(place, http, port) as url:
        paths = [f"/{path.relative_to(below)}" for path in stage.files]
        yield Target(url, paths, serve.nginx_workers(place))


@contextlib.contextmanager
def _front(stage: Stage) -> Iterator[Target]:
    folder, kept = stage.place("front"), stage.open_files
    with serve.app(stage.data, 1) as served, serve.front(folder, served, open_files=kept) as url:
        paths = [stage.path(served, number) for number in range(len(stage.files))]
        yield Target(url, paths, serve.nginx_workers(folder))


@contextlib.contextmanager
def _alone(stage: Stage, numbers: range) -> Iterator[Target]:
    with serve.app(stage.data, 1) as served:
        paths = [stage.path(served, number) for number in numbers]
        yield Target(served.url, paths, tuple(serve.workers_of(served.process, 1)))


@contextlib.contextmanager
def _minimal(stage: Stage, hot: int) -> Iterator[Target]:
    """Serve the same bytes by the least that an aiohttp handler can do (bench/minimal.py)."""
    bodies = {f"/{path.name}": path.read_bytes().hex() for path in stage.files[:hot]}
    file = stage.folder / "bodies.json"
    file.write_bytes(orjson.dumps(bodies))
    command = [sys.executable, "-m", "bench.minimal", str(file), "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        url = process.stdout.readline().strip()
        yield Target(url, list(bodies), tuple(serve.family(process.pid)))
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@contextlib.contextmanager
def _peer(opening: AbstractContextManager[Peer], count: int) -> Iterator[Target]:
    """Run a peer, and have it make every cover once."""
    with opening as peer:
        paths = [peer.path(f"{books.isbn(number)}.jpg", BOX, Format.JPEG) for number in range(count)]
        answers = asyncio.run(ask_once(peer.url, paths, 8))
        wrong = [status for status, _, body in answers if status != 200 or len(body) < LEAST_BYTES]
        if wrong:
            raise serve.Skipped(f"{len(wrong)} of {count} covers were not made; the first says {wrong[0]}")
        yield Target(peer.url, paths)


def _measure(
    name: str, target: Target, folder: Path, seconds: float, costs: list[float] | None
) -> Callable[[], float]:
    """Return what asks in random order: in the files' own, a cache a little too small would never help."""
    paths = random.Random(1).choices(target.paths, k=2 * len(target.paths))  # noqa: S311 - no secret
    wrk = Wrk(target.url, paths, folder / "wrk" / name.replace(" ", "-"), CONNECTIONS)
    wrk.run(1.0)  # caches in a process fill; the files lie in the system's already, as they were just written

    def measure() -> float:
        before = serve.cpu_seconds(target.processes)
        run = wrk.run(seconds)
        if costs is not None:
            costs.append((serve.cpu_seconds(target.processes) - before) * 1e6 / run.answers)
        if run.mean_bytes < LEAST_BYTES:
            raise RuntimeError(f"{name} answered {run.mean_bytes:.0f} bytes on average, which are no covers")
        return run.per_second

    return measure


def _plot(figures: dict[str, Any], path: Path) -> None:
    alone = [name for name in (ALONE, MINIMAL, ALL) if name in figures]
    through = [name for name in figures if name not in alone]
    with plots.figure(path, 2, (11, 3.6)) as (left, right):
        plots.bars(left, {name: figures[name] for name in through}, COLOURS, "hits per second")
        plots.bars(right, {name: figures[name] for name in alone}, COLOURS, "hits per second, one process")
