"""What does the database that nodes share take: a lookup, a cover's count, an import?

    python -m bench postgres --url postgresql://user@localhost/empty [--books 200000] [--more 30000000]

In an empty database: originals enter as an import enters them once their files are examined and in place,
in its batches; lookups ask for books in random order,
some of which are not there; two processes with four connections each take 3,000 covers of one key's
quota of 2,000; a lease is taken and returned. The server shares the machine with the client.

With --more the server itself adds that many originals of other books before anything is looked up, without
the triggers that an import has. Lookups then ask for all of them; the first pass finds little in memory.
"""

import asyncio
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import command, report
from bench.books import FIRST, isbn
from bench.goals import at_least, at_most
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.formats import Loader
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.originals.changes import changing
from coverproxy.originals.examine import Candidate
from coverproxy.service.import_new import enter_new
from coverproxy.service.import_results import Entered, ImportReport
from coverproxy.service.importer import BATCH

if TYPE_CHECKING:
    from coverproxy.originals.postgres import PostgresCatalogue
    from coverproxy.storage.postgres_pool import PostgresPool

LOOKUPS, PASSES = 5000, 5
AT_ONCE = 1_000_000
TAKES, LIMIT, PROCESSES = 3000, 2000, 2
DAY = date(2026, 11, 23)


@command.command(__name__, __doc__)
@click.option("--url", required=True, help="An empty database of its own.")
@click.option("--books", type=click.IntRange(10_000, 100_000_000), default=200_000, show_default=True)
@click.option("--more", type=click.IntRange(0, 1_000_000_000), default=0, help="Books that the server adds.")
@command.out
def main(url: str, books: int, more: int, out: Path) -> None:
    """Measure and write the result."""
    figures = _catalogue(url, books, more) | {"quota": _quota(url), "lease_ms": asyncio.run(_leases(url))}
    report.show(figures)
    found = figures["lookup_ms"]["found"]
    held = [
        at_most("ms of a lookup, p50", statistics.median(each["p50"] for each in found), 0.3, "found"),
        at_least("originals entered a second", figures["entered_per_second"], 5000, "enter"),
    ]
    print(report.write("postgres", {"books": books, "more": more, "batch": BATCH}, figures, out, held=held))


def _catalogue(url: str, books: int, more: int) -> dict[str, Any]:
    from coverproxy.originals.postgres import PostgresCatalogue  # psycopg comes with an extra
    from coverproxy.originals.postgres_changes import ChangeLog
    from coverproxy.storage.postgres_news import PostgresNews
    from coverproxy.storage.postgres_pool import PostgresPool

    pool = PostgresPool(url, StoreUnavailable, prepares=True)
    with tempfile.TemporaryDirectory() as folder:
        changes = ChangeLog(Path(folder) / "changes.json", lambda: None)
        catalogue = PostgresCatalogue(pool, PostgresNews(url), changes, {})
        catalogue.open()
        entered = _entered(catalogue, books)
        filled = _filled(pool, books, more)
        pool.write("ANALYZE original")
        size = pool.read("SELECT pg_total_relation_size('original')")[0][0]
        all_books = books + more
        figures = {
            **entered,
            **filled,
            "bytes_per_book": round(size / all_books, 1),
            "lookup_ms": {
                "found": [_asked(catalogue.find, all_books, 0, turn) for turn in range(PASSES)],
                "missing": _asked(catalogue.find, all_books, 1, PASSES),
            },
        }
        catalogue.close()
    return figures


_MORE = """
INSERT INTO original (scheme, value, digest, loader, width, height, bytes, date, source, added)
SELECT scheme, twelve::text || check_digit, decode(md5(twelve::text), 'hex'), loader, width, height, bytes,
    date, source, added
FROM (SELECT {first} + 2 * number AS twelve FROM generate_series({start}, {end}) AS number) AS book,
    LATERAL (SELECT mod(10 - mod({odd} + 3 * ({even}), 10), 10) AS check_digit) AS last,
    (SELECT * FROM original LIMIT 1) AS one
"""


def _filled(pool: "PostgresPool", books: int, more: int) -> dict[str, float]:
    """Have the server add books beyond the first *books*; return the seconds that it takes."""
    if not more:
        return {}
    started = time.perf_counter()
    digits = [f"mod(twelve / {10**at}, 10)" for at in range(12)]
    sums = {"even": " + ".join(digits[::2]), "odd": " + ".join(digits[1::2]), "first": FIRST}
    index = pool.read("SELECT pg_get_indexdef('original_by_digest'::regclass)")[0][0]
    with pool.transaction(within=None) as run:
        run("DROP INDEX original_by_digest")  # built once below: a third of the time
        run("ALTER TABLE original DISABLE TRIGGER USER")
        for start in range(books, books + more, AT_ONCE):
            run(_MORE.format(start=start, end=min(start + AT_ONCE, books + more) - 1, **sums))
        run("ALTER TABLE original ENABLE TRIGGER USER")
        run(index)
    return {"more_seconds": round(time.perf_counter() - started, 1)}


def _entered(catalogue: "PostgresCatalogue", books: int) -> dict[str, float]:
    """Enter books batch by batch; return the rate, and what one takes of this process's CPU and the wall."""
    started, cpu = time.perf_counter(), time.process_time()
    for at in range(0, books, BATCH):
        batch = [_in_place(number) for number in range(at, min(at + BATCH, books))]
        with changing(catalogue, int(time.time())) as changes:
            assert enter_new(changes.tables, batch, ImportReport()) == []
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    server = _cpu_seconds(catalogue._ask("SELECT pg_backend_pid()")[0][0])  # the connection that did it all
    return {
        "entered_per_second": round(books / seconds),
        "import_cpu_us_each": round(cpu / books * 1e6, 1),
        "server_cpu_us_each": round(server / books * 1e6, 1),
    }


def _cpu_seconds(process: int) -> float:
    """Return what a process on this machine has taken of a CPU; 0 where it runs on another."""
    try:
        text = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(text[11]) + int(text[12])) / os.sysconf("SC_CLK_TCK")


def _in_place(number: int) -> Entered:
    original = _original(number)
    return Entered(original, Candidate(original.identifier.value, Path("x.jpg")), is_known=False)


def _original(number: int) -> Original:
    identifier = Identifier(ISBN, isbn(2 * number))
    digest = (number * 0x9E3779B97F4A7C15 % (1 << 128)).to_bytes(16)
    return Original(identifier, digest, Loader.JPEG, 645, 1000, 81_234, 1_217_808_000, "bench", added=1)


def _asked(find: Callable[[Identifier], list[Original]], books: int, odd: int, turn: int) -> dict[str, float]:
    """Look up books in random order, another one each turn; every other number is one that is there."""
    places, taken = random.Random(turn), []  # noqa: S311 - places in a catalogue
    for number in (places.randrange(books) for _ in range(LOOKUPS)):
        identifier = Identifier(ISBN, isbn(2 * number + odd))
        started = time.perf_counter()
        found = find(identifier)
        taken.append((time.perf_counter() - started) * 1000)
        assert bool(found) != bool(odd)
    return report.spread(taken, 3)


def _quota(url: str) -> dict[str, Any]:
    """Take more than there is from two processes at once; what passed must be the limit exactly."""
    asyncio.run(_take(url, 0))  # makes the tables
    started = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        got = pool.starmap(_take_many, [(url, TAKES // PROCESSES)] * PROCESSES)
    passed, seconds = sum(each[0] for each in got), max(each[1] for each in got)
    assert passed == LIMIT, f"{passed} passed; expected {LIMIT}"
    return {
        "takes": TAKES, "limit": LIMIT, "passed": passed, "takes_per_second": round(TAKES / seconds),
        "with_start_seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip


def _take_many(url: str, takes: int) -> tuple[int, float]:
    return asyncio.run(_take(url, takes))


async def _take(url: str, takes: int) -> tuple[int, float]:
    from coverproxy.accounts.postgres import PostgresState
    from coverproxy.storage.postgres_pool import PostgresPool

    state = PostgresState(PostgresPool(url, StoreUnavailable))
    await state.open()
    started = time.perf_counter()
    got = await asyncio.gather(*(state.take("bench", DAY, LIMIT) for _ in range(takes)))
    seconds = time.perf_counter() - started
    await state.close()
    return sum(count is not None for count in got), seconds


async def _leases(url: str) -> dict[str, float]:
    from coverproxy.concurrency.postgres_leases import PostgresLeases
    from coverproxy.storage.postgres_pool import PostgresPool

    pool, taken = PostgresPool(url, StoreUnavailable), []
    leases = PostgresLeases(pool)
    for number in range(300):
        started = time.perf_counter()
        async with leases.hold(f"bench{number}"):
            pass
        taken.append((time.perf_counter() - started) * 1000)
    leases.close()
    pool.close()
    return report.spread(taken, 3)
