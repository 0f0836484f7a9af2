"""How many ISBNs a second does one worker say yes or no to, in lists of a thousand?

    python -m bench.info [--books 200000] [--rounds 5]

One `coverproxy serve` process over a catalogue of that many books answers `POST /devkey/{key}/info`: lists of
a thousand ISBNs, half of them with a cover, at random places of the catalogue. Plain 13-digit ISBNs, ISBN-10s
with hyphens, and lists that JSONP asks for by GET. What a client of the same machine takes counts against it.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bench import report
from bench.serving import isbn, served
from coverproxy.config import load
from coverproxy.isbn import to_isbn10
from coverproxy.media import Loader
from coverproxy.original import Original
from coverproxy.spec import ISBN, Identifier
from coverproxy.wiring import open_shelf

LIST = 1000
AT_ONCE = 4
SECONDS = 2.0


def main() -> None:
    """Measure and write bench/results/info.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--books", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name), arguments.books)
        with served(Path(name), 1) as (url, key):
            address = f"{url}/devkey/{key}/info"
            figures = asyncio.run(_measure(address, arguments.books, arguments.rounds))
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    settings = {"books": arguments.books, "list": LIST, "at_once": AT_ONCE, "seconds": SECONDS}
    print(report.write("info", settings, figures))


def fill(folder: Path, books: int) -> None:
    """Enter *books* books: every other number of bench.serving.isbn has a cover."""
    config = load(None, {}, {"data": {"dir": str(folder)}})
    with open_shelf(config) as shelf, shelf.catalogue.writing():
        for number in range(books):
            identifier, digest = Identifier(ISBN, isbn(2 * number)), number.to_bytes(16)
            shelf.catalogue.add(Original(identifier, digest, Loader.JPEG, 400, 600, 1, 1_217_808_000))


async def _measure(address: str, books: int, rounds: int) -> dict[str, Any]:
    figures: dict[str, list[float]] = {"plain 13 digits": [], "ISBN-10 with hyphens": [], "GET as JSONP": []}
    async with aiohttp.ClientSession() as client:
        for _ in range(rounds):
            figures["plain 13 digits"].append(await _round(client, address, books, "POST", isbn))
            figures["ISBN-10 with hyphens"].append(await _round(client, address, books, "POST", hyphened))
            figures["GET as JSONP"].append(await _round(client, address, books, "GET", isbn))
    return {
        name: {"median": round(statistics.median(rates)), "rounds": [round(rate) for rate in rates]}
        for name, rates in figures.items()
    }


def hyphened(number: int) -> str:
    """Return the benchmark's book of that number as catalogues write its ISBN-10."""
    ten = to_isbn10(isbn(number)) or ""
    return f"{ten[0]}-{ten[1:4]}-{ten[4:9]}-{ten[9]}"


async def _round(client: aiohttp.ClientSession, address: str, books: int, method: str, spell: Any) -> float:
    """Ask for SECONDS, some lists at once; return ISBNs a second. Each answer must be right."""
    done, started = 0, time.perf_counter()

    async def ask(lists: Iterator[list[int]]) -> None:
        nonlocal done
        for numbers in lists:
            texts = {spell(number): number % 2 == 0 for number in numbers}
            found = await _answer(client, address, method, list(texts))
            assert found == texts
            done += len(numbers)

    await asyncio.gather(*(ask(_lists(books, seed, started + SECONDS)) for seed in range(AT_ONCE)))
    return done / (time.perf_counter() - started)


def _lists(books: int, seed: int, end: float) -> Iterator[list[int]]:
    places = random.Random(seed)  # noqa: S311 - places in a catalogue
    while time.perf_counter() < end:
        yield places.sample(range(2 * books), LIST)


async def _answer(client: aiohttp.ClientSession, address: str, method: str, texts: list[str]) -> Any:
    if method == "POST":
        async with client.post(address, json={"isbns": texts}) as response:
            return orjson.loads(await response.read())
    async with client.get(f"{address}?callback=f&isbn={','.join(texts)}") as response:
        body = await response.read()
        return orjson.loads(body.removeprefix(b"/**/f(").removesuffix(b");\n"))


if __name__ == "__main__":
    main()
