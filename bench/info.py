"""How many ISBNs a second does one worker say yes or no to, in lists of a thousand?

    python -m bench info [--books 200000] [--rounds 5]

One `coverproxy serve` process over a catalogue of that many books answers `POST /devkey/{key}/info`: lists of
a thousand ISBNs, half of them with a cover, at random places of the catalogue. Plain 13-digit ISBNs, ISBN-10s
with hyphens, and lists that JSONP asks for by GET. What a client of the same machine takes counts against it.
"""

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import click
import orjson

from bench import command, report, scratch, serve
from bench.books import isbn
from bench.goals import at_least
from coverproxy.config import load
from coverproxy.domain.formats import Loader
from coverproxy.domain.isbn import to_isbn10
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.wiring.data_folder import open_shelf

LIST = 1000
LISTS = 50
AT_ONCE = 4
SECONDS = 2.0


@command.command(__name__, __doc__)
@click.option("--books", "count", type=click.IntRange(2000, 10_000_000), default=200_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True)
@command.out
def main(count: int, rounds: int, out: Path) -> None:
    """Measure and write the result."""
    with scratch.folder() as name:
        fill(Path(name), count)
        with serve.app(Path(name), 1) as served:
            figures = asyncio.run(_measure(f"{served.url}/devkey/{served.key}/info", count, rounds))
    report.show(figures)
    least = figures["plain 13 digits"]["median"]
    goal = at_least("ISBNs a second that one worker answers in lists", least, 20_000, "plain 13 digits")
    settings = {"books": count, "list": LIST, "at_once": AT_ONCE, "seconds": SECONDS, "rounds": rounds}
    print(report.write("info", settings, figures, out, held=[goal]))


def fill(folder: Path, books: int) -> None:
    """Enter *books* books: every other number of bench.books.isbn has a cover."""
    config = load(None, {}, {"data": {"dir": str(folder)}})
    with open_shelf(config) as shelf, shelf.catalogue.writing() as tables:
        for number in range(books):
            identifier, digest = Identifier(ISBN, isbn(2 * number)), number.to_bytes(16)
            tables.add(Original(identifier, digest, Loader.JPEG, 400, 600, 1, 1_217_808_000))


async def _measure(address: str, books: int, rounds: int) -> dict[str, Any]:
    plain, hyphens = _lists(books, isbn), _lists(books, hyphened)
    kinds = {
        "plain 13 digits": ("POST", plain),
        "ISBN-10 with hyphens": ("POST", hyphens),
        "GET as JSONP": ("GET", plain),
    }
    figures: dict[str, list[float]] = {name: [] for name in kinds}
    async with aiohttp.ClientSession() as client:
        for _ in range(rounds):
            for name, (method, lists) in kinds.items():
                figures[name].append(await _round(client, address, method, lists))
    return {
        name: {"median": round(statistics.median(rates)), "rounds": [round(rate) for rate in rates]}
        for name, rates in figures.items()
    }


def hyphened(number: int) -> str:
    """Return the benchmark's book of that number as catalogues write its ISBN-10."""
    ten = to_isbn10(isbn(number)) or ""
    return f"{ten[0]}-{ten[1:4]}-{ten[4:9]}-{ten[9]}"


def _lists(books: int, spell: Callable[[int], str]) -> list[dict[str, bool]]:
    """Make lists, with what is right to answer, before the clock runs."""
    places = random.Random(1)  # noqa: S311 - places in a catalogue
    return [
        {spell(number): number % 2 == 0 for number in places.sample(range(2 * books), LIST)}
        for _ in range(LISTS)
    ]


async def _round(
    client: aiohttp.ClientSession, address: str, method: str, lists: list[dict[str, bool]]
) -> float:
    """Ask for SECONDS, some lists at once; return ISBNs a second. Each answer must be right."""
    done, started = 0, time.perf_counter()

    async def ask(first: int) -> None:
        nonlocal done
        for at in itertools.count(first, AT_ONCE):
            if time.perf_counter() > started + SECONDS:
                return
            asked = lists[at % len(lists)]
            assert await _answer(client, address, method, list(asked)) == asked
            done += len(asked)

    await asyncio.gather(*(ask(first) for first in range(AT_ONCE)))
    return done / (time.perf_counter() - started)


async def _answer(client: aiohttp.ClientSession, address: str, method: str, texts: list[str]) -> Any:
    if method == "POST":
        async with client.post(address, json={"isbns": texts}) as response:
            return orjson.loads(await response.read())
    async with client.get(f"{address}?callback=f&isbn={','.join(texts)}") as response:
        body = await response.read()
        return orjson.loads(body.removeprefix(b"/**/f(").removesuffix(b");"))
