"""What a catalogue of so many books costs: bytes, opening, lookups, additions. Part of bench/scale.py.

One original a book (every tenth has a second one) is filled in by SQL that only this benchmark uses; then the
product's own Catalogue is asked for books that are there and that are not, in random order over all of them.

cold:       the first thousand lookups after the file was dropped from the system's page cache
found:      books never asked for before, with the file in the page cache, as on a server that has been up
warm_found: the same 20,000 books once more
missing:    books that are not there
"""

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import report
from coverproxy.domain.formats import Loader
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.originals.sqlite import SqliteCatalogue
from coverproxy.originals.sqlite_mend import schema_steps
from coverproxy.storage import sqlite_migrations

LOOKUPS = 20_000
STEP = 33
"""Gap between the ISBNs of the benchmark: they are spread like real ones, and every other number is free."""
FIRST = 9_780_000_000_000


def measure(path: Path, books: int) -> dict[str, Any]:
    """Build a catalogue of *books* books at *path* and measure it; it stays there."""
    sqlite_migrations.apply(
        path, schema_steps()[:1]
    )  # the later steps keep counts with every row: see upgrade_seconds
    started = time.perf_counter()
    rows = _fill(path, books)
    filled = time.perf_counter() - started
    figures: dict[str, Any] = {"books": books, "originals": rows, "fill_seconds": round(filled, 1)}
    started = time.perf_counter()
    SqliteCatalogue(path, {}).open()
    figures["upgrade_seconds"] = round(time.perf_counter() - started, 1)
    figures["file_bytes"] = path.stat().st_size
    figures["bytes_per_book"] = round(path.stat().st_size / books, 1)
    return figures | _open_and_ask(path, books)


def _fill(path: Path, books: int) -> int:
    """Write the rows in the order of the tree, and the index afterwards: minutes instead of hours."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("DROP INDEX original_by_digest")
    connection.execute("BEGIN")
    marks = "1, ?, ?, 'jpeg', 645, 1000, 81234, 1217808000, 'bench', NULL, NULL, 1795400000000"
    connection.executemany(f"INSERT INTO original VALUES ({marks})", _rows(books))  # noqa: S608 - a constant
    connection.execute("COMMIT")
    connection.execute("CREATE INDEX original_by_digest ON original (digest)")
    (count,) = connection.execute("SELECT count(*) FROM original").fetchone()
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return int(count)


def _rows(books: int) -> Iterator[tuple[int, bytes]]:
    generator = random.Random(1)  # noqa: S311 - no secret
    for number in range(books):
        value = FIRST + number * STEP
        digests = sorted(generator.randbytes(16) for _ in range(2 if number % 10 == 0 else 1))
        for digest in digests:
            yield value, digest


def _open_and_ask(path: Path, books: int) -> dict[str, Any]:
    _drop_from_page_cache(path)
    catalogue = SqliteCatalogue(path, {})
    started = time.perf_counter()
    catalogue.open()
    catalogue.ping()
    opened = time.perf_counter() - started
    there = _identifiers(books, LOOKUPS, 0)
    cold = _ask(catalogue, there[:1000])
    _into_page_cache(path)
    for identifier in there:
        catalogue.find(identifier)
    figures = {
        "open_ms": round(opened * 1000, 1),
        "cold_us": cold,
        "found_us": _ask(catalogue, _identifiers(books, LOOKUPS, 0)),
        "warm_found_us": _ask(catalogue, there),
        "missing_us": _ask(catalogue, _identifiers(books, LOOKUPS, 1)),
        "adds_per_second": _add(catalogue, books),
    }
    catalogue.close()
    return figures


def _identifiers(books: int, count: int, offset: int) -> list[Identifier]:
    numbers = (random.randrange(books) * STEP for _ in range(count))  # noqa: S311 - no secret
    return [Identifier(ISBN, str(FIRST + number + offset)) for number in numbers]


def _ask(catalogue: SqliteCatalogue, identifiers: list[Identifier]) -> dict[str, float]:
    taken = []
    for identifier in identifiers:
        started = time.perf_counter_ns()
        catalogue.find(identifier)
        taken.append((time.perf_counter_ns() - started) / 1000)
    return {name: round(value, 1) for name, value in report.spread(taken).items()}


def _add(catalogue: SqliteCatalogue, books: int, count: int = 5000) -> int:
    """Add as an import does: in transactions of 256, random books, each with the lookups that go with it."""
    identifiers = _identifiers(books, count, 2)
    started = time.perf_counter()
    for at in range(0, count, 256):
        with catalogue.writing() as tables:
            for identifier in identifiers[at : at + 256]:
                tables.find(identifier)
                digest = os.urandom(16)
                tables.add(Original(identifier, digest, Loader.JPEG, 645, 1000, 81234, 1217808000))
                tables.with_digest(digest, 1000)
    return round(count / (time.perf_counter() - started))


def _into_page_cache(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(16 * 1024 * 1024):
            pass


def _drop_from_page_cache(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
