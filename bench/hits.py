"""How many covers that are made already go out a second, against nginx alone and what else could be run?

    python -m bench hits [--covers DIR] [--books 20000] [--hot 500] [--peer-books 4000] [--seconds 5]
                         [--rounds 3] [--open-files 0] [--shape native]

Medium JPEGs of --books distinct books, in random order, over 32 connections (wrk). Through the web server:

nginx plain files            the same files by their plain path, nothing else: the limit
the same, links and headers  the same files by a key's two links, with a hit's headers: the layout's limit
our nginx conf               what `coverproxy nginx-conf` writes, in 2 workers, before a running service
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

--shape: whose addresses ours is asked by: our own, Open Library's (with `?default=false`, as its clients
send), Amazon's by ISBN-10, or openBD's, which are of the large size. The plot is of our own.

--open-files: how many files a worker of nginx keeps open (front.open_files), for plain files and ours alike.
"""

import asyncio
import contextlib
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson

from bench import books, command, peers, plots, report, scratch, serve, turns
from bench.client import ask_once
from bench.goals import Goal, at_least, at_most, ratio
from bench.peers import Peer
from bench.wrk import Wrk
from coverproxy.cache.layout import VERSION
from coverproxy.domain.formats import Format
from coverproxy.domain.isbn import to_isbn10
from coverproxy.web.answers import hit_headers

CONNECTIONS = 32
BOX = (200, 300)
PLAIN, FRONT = "nginx plain files", "our nginx conf"
LINKED = "the same, links and headers"
ALONE, MINIMAL, ALL = "our app alone", "minimal aiohttp handler", "our app alone, all books"
COLOURS = dict.fromkeys((FRONT, ALONE, ALL), plots.OURS) | dict.fromkeys(
    (PLAIN, LINKED, MINIMAL), plots.LIMIT
)
SHAPES: dict[str, tuple[str, str]] = {
    "native": ("medium", "/devkey/{key}/medium/isbn/{13}"),
    "openlibrary": ("medium", "/devkey/{key}/b/isbn/{13}-M.jpg?default=false"),
    "amazon": ("medium", "/devkey/{key}/images/P/{10}.01.MZZZZZZZ.jpg"),
    "openbd": ("large", "/devkey/{key}/{13}.jpg"),
}
"""By the name of a shape: its size, and its addresses."""

LEAST_BYTES = 2048
"""Any cover is larger, and every answer that is none is smaller."""


class Target(NamedTuple):
    """What a rival is asked for: its URL, the paths, and the processes whose CPU time is told."""

    url: str
    paths: list[str]
    processes: tuple[int, ...] = ()


class Stage(NamedTuple):
    """What lies there before the rivals start."""

    folder: Path
    data: Path
    originals: list[Path]
    files: list[Path]
    hot: int
    peer_books: int
    open_files: int
    shape: str

    def path(self, served: serve.Served, number: int) -> str:
        """Return the address of a book's cover by the shape."""
        thirteen = books.isbn(number)
        path = SHAPES[self.shape][1].replace("{key}", served.key).replace("{13}", thirteen)
        return path.replace("{10}", to_isbn10(thirteen) or thirteen)


@command.command(__name__, __doc__)
@command.covers
@click.option("--books", "count", type=click.IntRange(2, 1_000_000), default=20_000, show_default=True)
@click.option("--hot", type=click.IntRange(1, 100_000), default=500, show_default=True)
@click.option("--peer-books", type=click.IntRange(1, 100_000), default=4000, show_default=True)
@click.option("--open-files", type=click.IntRange(0, 1_000_000), default=0, show_default=True)
@click.option("--shape", type=click.Choice([*SHAPES]), default="native", show_default=True)
@command.seconds(5.0)
@command.rounds
@command.out
def main(
    covers: Path | None, count: int, hot: int, peer_books: int, open_files: int, shape: str, seconds: float,
    rounds: int, out: Path,
) -> None:  # fmt: skip
    """Have all take turns, and write the result."""
    with scratch.folder() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        found = books.originals(covers, folder / "drawn")
        stage = _set(folder, found, count, min(hot, count), min(peer_books, count), open_files, shape)
        targets, skipped = turns.opened(stack, _openings(stage))
        costs: dict[str, list[float]] = {each: [] for each, target in targets.items() if target.processes}
        figures = turns.taken(
            {
                each: _measure(each, target, folder, seconds, costs.get(each))
                for each, target in targets.items()
            },
            rounds,
        )
    told = turns.told(figures, skipped)
    for each, taken in costs.items():
        told[each]["cpu_us"] = round(statistics.median(taken), 1)
    settings = {
        **books.described(covers, found), "books": count, "hot": hot, "peer_books": peer_books,
        "shape": shape, "size": SHAPES[shape][0], "connections": CONNECTIONS, "seconds": seconds,
        "rounds": rounds,
        "nginx_workers": 2, "open_files": open_files,
    }  # fmt: skip
    result = "hits" if shape == "native" else f"hits_{shape}"
    path = report.write(
        result, settings, told, out, held=_held(figures, costs, hot), versions=peers.versions()
    )
    if shape != "native":
        print(path)
        return
    _plot({each: of["per_second"] for each, of in told.items() if "per_second" in of}, out / "hits.svg")
    print(path)


def _held(figures: dict[str, list[float]], costs: dict[str, list[float]], hot: int) -> list[Goal]:
    per_worker = statistics.median(figures[ALL]) if ALL in figures else None
    return [
        at_least("hits through nginx ÷ nginx plain files", ratio(figures, FRONT, PLAIN), 0.90),
        at_most("CPU a hit through nginx ÷ plain files'", ratio(costs, FRONT, PLAIN), 1.12),
        at_least("hits of page-cached books, app alone, per worker and second", per_worker, 7000),
        at_least(
            "hits, app alone, per worker ÷ minimal aiohttp handler", ratio(figures, ALONE, MINIMAL), 0.85,
            f"over {hot} covers",
        ),
    ]  # fmt: skip


def _set(
    folder: Path, found: list[Path], count: int, hot: int, peer_books: int, open_files: int, shape: str
) -> Stage:
    books.fill(folder / "data", found, count)
    files = books.store(folder / "data", found, range(count), SHAPES[shape][0])
    peers.shelve(folder / "originals", found, peer_books)
    return Stage(folder, folder / "data", found, files, hot, peer_books, open_files, shape)


def _openings(stage: Stage) -> dict[str, Callable[[], AbstractContextManager[Target]]]:
    originals, folder = stage.folder / "originals", stage.folder
    if stage.shape != "native":  # what the shape costs shows beside the limits alone
        return {
            PLAIN: lambda: _plain(stage),
            LINKED: lambda: _linked(stage),
            FRONT: lambda: _front(stage),
            ALONE: lambda: _alone(stage, range(stage.hot)),
            MINIMAL: lambda: _minimal(stage),
        }
    return {
        PLAIN: lambda: _plain(stage),
        LINKED: lambda: _linked(stage),
        FRONT: lambda: _front(stage),
        "thumbor, result storage": lambda: _peer(
            peers.thumbor(originals, folder / "thumbor", keeps=True), stage.peer_books
        ),
        "ipx behind nginx": lambda: _peer(peers.ipx(originals, folder / "ipx", keeps=True), stage.peer_books),
        ALONE: lambda: _alone(stage, range(stage.hot)),
        MINIMAL: lambda: _minimal(stage),
        ALL: lambda: _alone(stage, range(len(stage.files))),
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
    with _static(stage, links / SHAPES[stage.shape][0] / "jpg" / "isbn", "linked", headers) as target:
        yield target


@contextlib.contextmanager
def _static(stage: Stage, root: Path, name: str, headers: str = "") -> Iterator[Target]:
    port, below = serve.free_port(), stage.files[0].parents[2]
    kept = f"open_file_cache max={stage.open_files} inactive=60s; open_file_cache_valid 60s;"
    kept = kept if stage.open_files else "open_file_cache off;"
    http = f"""types {{ image/jpeg jpg; }} access_log off; sendfile on; tcp_nopush on;
        keepalive_requests 10000; {kept}
        server {{ listen 127.0.0.1:{port}; root {root}; {headers} }}"""
    with serve.nginx(stage.folder / name, http, port) as url:
        paths = [f"/{path.relative_to(below)}" for path in stage.files]
        yield Target(url, paths, serve.nginx_workers(stage.folder / name))


@contextlib.contextmanager
def _front(stage: Stage) -> Iterator[Target]:
    folder, kept = stage.folder / "front", stage.open_files
    with serve.app(stage.data, 1) as served, serve.front(folder, served, open_files=kept) as url:
        paths = [stage.path(served, number) for number in range(len(stage.files))]
        yield Target(url, paths, serve.nginx_workers(folder))


@contextlib.contextmanager
def _alone(stage: Stage, numbers: range) -> Iterator[Target]:
    with serve.app(stage.data, 1) as served:
        paths = [stage.path(served, number) for number in numbers]
        yield Target(served.url, paths, tuple(serve.workers_of(served.process, 1)))


@contextlib.contextmanager
def _minimal(stage: Stage) -> Iterator[Target]:
    """Serve the same bytes by the least that an aiohttp handler can do (bench/minimal.py)."""
    bodies = {f"/{path.name}": path.read_bytes().hex() for path in stage.files[: stage.hot]}
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
    with plots.figure(path, 2, (11, 2.8)) as (left, right):
        plots.bars(left, {name: figures[name] for name in through}, COLOURS, "hits per second")
        plots.bars(right, {name: figures[name] for name in alone}, COLOURS, "hits per second, one process")
