"""Do hits wait behind renders: how slow is a hit while new covers keep every core busy?

    python -m bench.waiting [--workers 2] [--rate 100] [--seconds 10]

`coverproxy serve` with N workers. Hits are asked for at a fixed rate, each at its intended moment whether or
not the one before has come back, and timed from that moment (no coordinated omission). First alone, then
while 16 clients ask for new covers without a pause; twice each, taking turns. The hits' client is a process
of its own, of higher priority where that is allowed: it must not wait for a core that the renders have.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bench import report, serving

BOOKS = 100_000
HOT = 50
MISSES_AT_ONCE = 16
TURNS = 2


def main() -> None:
    """Take turns with and without misses, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=int, default=100, help="hits a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    alone: list[float] = []
    among: list[float] = []
    made = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "data")
        serving.fill(folder, serving.originals(None, Path(name, "drawn")), BOOKS)
        with serving.served(folder, arguments.workers) as (url, key):
            base = f"{url}/devkey/{key}/medium/isbn/"
            asyncio.run(_ask_once(base, range(HOT)))
            for turn in range(TURNS):
                alone += _hits(base, arguments.rate, arguments.seconds)
                with _misses(base, HOT + turn * BOOKS // TURNS) as count:
                    among += _hits(base, arguments.rate, arguments.seconds)
                made += count.value
    figures = _told(alone, among, made / (TURNS * arguments.seconds))
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    settings = {"workers": arguments.workers, "rate": arguments.rate, "misses_at_once": MISSES_AT_ONCE}
    print(report.write("waiting", settings, figures))


def _told(alone: list[float], among: list[float], rate: float) -> dict[str, Any]:
    told = {name: report.spread([value * 1000 for value in values]) for name, values in
            (("hits_alone_ms", alone), ("hits_among_misses_ms", among))}  # fmt: skip
    ratio = told["hits_among_misses_ms"]["p99"] / told["hits_alone_ms"]["p99"]
    rounded = {name: {part: round(value, 2) for part, value in found.items()} for name, found in told.items()}
    return {**rounded, "p99_ratio": round(ratio, 2), "misses_per_second": round(rate, 1)}


async def _ask_once(base: str, numbers: range) -> None:
    async with aiohttp.ClientSession(headers=serving.BROWSER) as client:
        for number in numbers:
            async with client.get(base + serving.isbn(number)) as response:
                await response.read()


def _hits(base: str, rate: int, seconds: float) -> list[float]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_timed, (base, rate, seconds))


def _timed(base: str, rate: int, seconds: float) -> list[float]:
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    return asyncio.run(_open_loop(base, rate, seconds))


async def _open_loop(base: str, rate: int, seconds: float) -> list[float]:
    """Ask at even moments; return seconds from each intended moment to its answer."""
    taken: list[float] = []
    async with aiohttp.ClientSession(headers=serving.BROWSER) as client:

        async def ask(moment: float) -> None:
            isbn = serving.isbn(random.randrange(HOT))  # noqa: S311 - no secret
            async with client.get(base + isbn) as response:
                await response.read()
                assert response.headers["X-Cover-Status"] == "hit"
            taken.append(time.perf_counter() - moment)

        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                moment = started + number / rate
                await asyncio.sleep(moment - time.perf_counter())
                group.create_task(ask(moment))
    return taken[rate:]  # the first second opens connections


@contextlib.contextmanager
def _misses(base: str, first: int) -> Any:
    """Ask for new covers in a process of its own, while the block runs; the value counts them."""
    context = multiprocessing.get_context("spawn")
    count = context.Value("i", 0)
    process = context.Process(target=_flood, args=(base, first, count))
    process.start()
    time.sleep(2)
    before = count.value
    yield count
    process.terminate()
    process.join()
    count.value -= before


def _flood(base: str, first: int, count: Any) -> None:
    asyncio.run(_ask_for_ever(base, first, count))


async def _ask_for_ever(base: str, first: int, count: Any) -> None:
    numbers = iter(range(first, first + BOOKS // TURNS - HOT))
    async with aiohttp.ClientSession(headers=serving.BROWSER) as client:

        async def ask() -> None:
            for number in numbers:
                async with client.get(base + serving.isbn(number)) as response:
                    await response.read()
                    count.value += response.headers["X-Cover-Status"] == "made"

        await asyncio.gather(*(ask() for _ in range(MISSES_AT_ONCE)))


if __name__ == "__main__":
    main()
