"""PostgreSQL finds what is due by an index, and reads no whole table for it, however often it is asked."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import database, emptied, postgres

from coverproxy.domain.errors import StoreUnavailable
from coverproxy.originals.postgres import PostgresCatalogue
from coverproxy.originals.postgres_changes import ChangeLog
from coverproxy.storage.postgres_news import PostgresNews
from coverproxy.storage.postgres_pool import PostgresPool

__all__ = ["database", "postgres"]

ROWS, ASKED = 20_000, 12
_LATER = 2_000_000_000
_ORIGINALS = """
INSERT INTO original (scheme, value, digest, loader, width, height, bytes, date, source, added, until)
SELECT 1, lpad(n::text, 13, '0'), decode(md5(n::text), 'hex'), 'jpeg', 1, 1, 1, 1, 'a', 1, %s
FROM generate_series(1, %s) AS n
"""
_FETCHED = """
INSERT INTO fetched SELECT 1, lpad(n::text, 13, '0'), 'a', decode(md5(n::text), 'hex'), NULL, NULL, %s, %s
FROM generate_series(1, %s) AS n
"""
_READ = (
    "SELECT sum(seq_tup_read), sum(idx_scan) FROM pg_stat_user_tables"
    " WHERE relname IN ('original', 'fetched')"
)

LOOKS: dict[str, Callable[[PostgresCatalogue], object]] = {
    "due": lambda catalogue: catalogue.provenance.claim(1_000, 2_000, 20),
    "outstayed": lambda catalogue: catalogue.provenance.outstayed(1_000, 20),
    "outdated": lambda catalogue: catalogue.outdated(1_000, 20),
    "misjudged": lambda catalogue: catalogue.misjudged(9, 20),
    "corrupt": lambda catalogue: catalogue.corrupt(20),
    "pending": lambda catalogue: catalogue.pending(20),
}


@pytest.fixture
def pool(database: str) -> Iterator[PostgresPool]:
    """One connection, which prepares its statements as a node's do."""
    made = PostgresPool(emptied(database), StoreUnavailable, 2, prepares=True)
    yield made
    made.close()


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_what_is_due_is_found_by_an_index(
    pool: PostgresPool, database: str, tmp_path: Path, is_analyzed: bool
) -> None:
    """None of many rows is due: asked again and again, none of them is read, analyzed or not."""
    catalogue = PostgresCatalogue(pool, PostgresNews(database), ChangeLog(tmp_path / "c", lambda: None), {})
    catalogue.open()
    pool.write(_ORIGINALS, (_LATER, ROWS))
    pool.write(_FETCHED, (_LATER, _LATER, ROWS))
    if is_analyzed:
        pool.write("ANALYZE original")
        pool.write("ANALYZE fetched")
    before, scans = counted(pool)
    for look in LOOKS.values():
        for _ in range(ASKED):
            assert look(catalogue) == []
    deadline = time.monotonic() + 60
    while (found := counted(pool))[1] < scans + ASKED * len(LOOKS) and found[0] == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found[0] == before


def counted(pool: PostgresPool) -> tuple[int, int]:
    """How many rows were read in whole tables, and how often an index was asked; the server tells it late."""
    pool.close()
    rows, scans = pool.read(_READ)[0]
    return int(rows), int(scans)
