"""How many hits and misses does a worker answer, against what the machine could do at best?

    python -m bench.serving [--covers DIR] [--workers 1 2] [--seconds 6] [--rounds 3]

All in one run on one machine, rivals taking turns, so that the ratios mean something where the absolute
figures do not. The load generator shares the cores.

hits:   `coverproxy serve` with N workers, medium JPEGs of all covers asked for in turn over 32 connections
        (wrk), against a minimal aiohttp handler that sends the same bytes from a dict, in as many processes.
misses: the same server, each of M books asked for once (8 at a time, asyncio client), against two loops in
        as many processes without any server: `vips thumbnail` (libvips' own defaults: JPEG Q75 4:2:0), and
        the product's render() alone. Every book is one of the originals under an ISBN of its own.

DIR holds JPEG covers; without it the project's drawn ones are used. Sources: /proc and wrk's own report.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bench import report
from coverproxy.config import Config
from coverproxy.media import Format, Loader, sniff

CONNECTIONS = 32
MISSES_AT_ONCE = 8
BROWSER = {"Sec-Fetch-Dest": "image"}
FIRST = 978_100_000_000


def main() -> None:
    """Run both comparisons for each number of workers, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--covers", type=Path, help="folder of JPEG covers (default: the project's drawn ones)"
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=int, default=6, help="length of one round of hits")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--misses", type=int, default=600, help="books asked for in one round of misses")
    arguments = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as name:
        found = originals(arguments.covers, Path(name, "drawn"))
        for workers in arguments.workers:
            folder = Path(name, f"data-{workers}")
            figures.append({"workers": workers, **_compare(folder, found, workers, arguments)})
            print(orjson.dumps(figures[-1], option=orjson.OPT_INDENT_2).decode(), flush=True)
    settings = {
        "covers": "real" if arguments.covers else "drawn", "originals": len(found),
        "connections": CONNECTIONS, "misses_at_once": MISSES_AT_ONCE, "seconds": arguments.seconds,
        "rounds": arguments.rounds, "misses": arguments.misses,
    }  # fmt: skip
    print(report.write("serving", settings, figures))


def originals(covers: Path | None, drawn: Path) -> list[Path]:
    """Return the JPEG originals: tall enough to be covers, of the given folder or drawn."""
    if covers is None:
        subprocess.run([sys.executable, "-m", "coverproxy.demo.draw", str(drawn)], check=True)
    files = sorted((covers or drawn).iterdir())
    return [
        path for path in files if sniff(path.read_bytes()[:32]) == sniff(b"\xff\xd8\xff") and _is_tall(path)
    ]


def _is_tall(path: Path) -> bool:
    from coverproxy import vips

    return bool(vips.library().Image.new_from_file(str(path)).height >= 400)


def _compare(
    folder: Path, originals: list[Path], workers: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    books = arguments.misses * arguments.rounds
    fill(folder, originals, books)
    misses: dict[str, list[float]] = {"ours": [], "vips thumbnail": [], "render() alone": []}
    with served(folder, workers) as (url, key):
        paths = [f"/devkey/{key}/medium/isbn/{isbn(number)}" for number in range(books)]
        for turn in range(arguments.rounds):
            asked = paths[turn * arguments.misses : (turn + 1) * arguments.misses]
            misses["ours"].append(asyncio.run(_ask_all(url, asked)))
            for name, loop in (("vips thumbnail", _thumbnail), ("render() alone", _render)):
                misses[name].append(_in_processes(loop, originals, workers, arguments.misses))
        hits = _hits(url, paths[: len(originals) * 4], workers, arguments)
    return {
        "hits_per_second": hits, "hits_ratio": _ratio(hits, "ours", "minimal aiohttp handler"),
        "misses_per_second": _medians(misses), "misses_ratio_vips": _ratio(misses, "ours", "vips thumbnail"),
        "misses_ratio_render": _ratio(misses, "ours", "render() alone"),
    }  # fmt: skip


def _medians(figures: dict[str, list[float]]) -> dict[str, Any]:
    return {
        name: {"median": round(statistics.median(values), 1), "rounds": [round(value, 1) for value in values]}
        for name, values in figures.items()
    }


def _ratio(figures: dict[str, Any], ours: str, theirs: str) -> float:
    def median(name: str) -> float:
        found = figures[name]
        return float(found["median"] if isinstance(found, dict) else statistics.median(found))

    return round(median(ours) / median(theirs), 3)


def isbn(number: int) -> str:
    """Return the ISBN-13 of the benchmark's book of that number."""
    digits = str(FIRST + number)
    check = -sum(int(digit) * (1, 3)[at % 2] for at, digit in enumerate(digits)) % 10
    return f"{digits}{check}"


def fill(folder: Path, originals: list[Path], books: int) -> None:
    """Enter *books* books, each with one of the originals where it lies.

    Past the import, which would rightly take so many ISBNs with one picture for "no image" art.
    """
    from coverproxy.config import load
    from coverproxy.original import Original
    from coverproxy.spec import ISBN, Identifier
    from coverproxy.wiring import open_shelf

    config = load(None, {}, {"data": {"dir": str(folder)}})
    kinds = [(str(path.resolve()), sniff(path.read_bytes()[:32]) or Loader.JPEG) for path in originals]
    with open_shelf(config) as shelf, shelf.catalogue.writing():
        for number in range(books):
            path, loader = kinds[number % len(kinds)]
            identifier, date = Identifier(ISBN, isbn(number)), 1_217_808_000 + number
            shelf.catalogue.add(Original(identifier, number.to_bytes(16), loader, 1, 1, 1, date, path=path))


def new_key(folder: Path) -> str:
    """Make a key without a limit that matters."""
    making = [sys.executable, "-m", "coverproxy", "key", "create", "--label", "bench", "--json"]
    limit = ["--daily-limit", "1000000000", "--data", str(folder)]
    made = subprocess.run([*making, *limit], check=True, capture_output=True)
    return str(orjson.loads(made.stdout)["key"])


@contextlib.contextmanager
def served(folder: Path, workers: int) -> Iterator[tuple[str, str]]:
    """Run `coverproxy serve` with *workers* workers; yield its URL and a key without limit."""
    command = [sys.executable, "-m", "coverproxy"]
    data = ["--data", str(folder), "--json"]
    key = new_key(folder)
    environment = os.environ | {"COVERPROXY_OPS__PORT": "0", "COVERPROXY_LOG__LEVEL": "warning"}
    environment["COVERPROXY_RENDER__ANSWER_WITHIN_SECONDS"] = "60.0"
    serving = [*command, "serve", "--port", "0", "--workers", str(workers), *data]
    process = subprocess.Popen(serving, stdout=subprocess.PIPE, env=environment)
    assert process.stdout
    try:
        yield orjson.loads(process.stdout.readline())["url"], key
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def _ask_all(url: str, paths: list[str]) -> float:
    """Ask for every path once, some at a time; return covers per second. Each must have been made."""
    waiting = iter(paths)

    async def ask(client: aiohttp.ClientSession) -> None:
        for path in waiting:
            async with client.get(url + path) as response:
                await response.read()
                assert response.headers["X-Cover-Status"] == "made", response.headers

    async with aiohttp.ClientSession(headers=BROWSER) as client:
        started = time.perf_counter()
        await asyncio.gather(*(ask(client) for _ in range(MISSES_AT_ONCE)))
        return len(paths) / (time.perf_counter() - started)


def _in_processes(
    loop: Callable[[list[Path], int], None], originals: list[Path], count: int, total: int
) -> float:
    """Run *loop* in *count* fresh processes for *total* covers in all; return covers per second."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(count) as pool:
        pool.starmap(loop, [(originals, 4)] * count)  # imports and first use are not what is measured
        started = time.perf_counter()
        pool.starmap(loop, [(originals, total // count)] * count, chunksize=1)
        return total / (time.perf_counter() - started)


def _thumbnail(originals: list[Path], count: int) -> None:
    from coverproxy import vips

    library = vips.library()
    for number in range(count):
        image = library.Image.thumbnail(str(originals[number % len(originals)]), 200, height=300, size="down")
        image.jpegsave_buffer(keep="none")


def _render(originals: list[Path], count: int) -> None:
    from coverproxy.render import render

    config = Config.model_validate({})
    for number in range(count):
        body = originals[number % len(originals)].read_bytes()
        render(body, config.sizes["medium"], Format.JPEG, config.limits)


def _hits(url: str, paths: list[str], workers: int, arguments: argparse.Namespace) -> dict[str, Any]:
    if shutil.which("wrk") is None:
        return {"skipped": "wrk is not installed (Debian: apt install wrk)"}
    figures: dict[str, list[float]] = {"ours": [], "minimal aiohttp handler": []}
    bodies = asyncio.run(_fetch(url, paths))
    with tempfile.TemporaryDirectory() as folder, _minimal(bodies, workers, Path(folder)) as rival:
        script = Path(folder, "paths.lua")
        script.write_text(_LUA % ", ".join(f'"{path}"' for path in paths))
        for _ in range(arguments.rounds):
            figures["ours"].append(_wrk(url, script, arguments.seconds))
            figures["minimal aiohttp handler"].append(_wrk(rival, script, arguments.seconds))
    return _medians(figures)


_LUA = """
local paths = { %s }
local at = 0
request = function()
  at = at %% #paths + 1
  return wrk.format("GET", paths[at], { ["Sec-Fetch-Dest"] = "image" })
end
"""


def _wrk(url: str, script: Path, seconds: int) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said:
        raise RuntimeError(said)
    return float(re.findall(r"Requests/sec:\s+([0-9.]+)", said)[0])


async def _fetch(url: str, paths: list[str]) -> dict[str, bytes]:
    async with aiohttp.ClientSession(headers=BROWSER) as client:
        bodies = {}
        for path in paths:
            async with client.get(url + path) as response:
                bodies[path] = await response.read()
        return bodies


@contextlib.contextmanager
def _minimal(bodies: dict[str, bytes], workers: int, folder: Path) -> Iterator[str]:
    """Serve *bodies* by the least an aiohttp handler can do, in as many processes on one port."""
    file = folder / "bodies.json"
    file.write_bytes(orjson.dumps({path: body.hex() for path, body in bodies.items()}))
    command = [sys.executable, "-m", "bench.minimal", str(file), str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


if __name__ == "__main__":
    main()
