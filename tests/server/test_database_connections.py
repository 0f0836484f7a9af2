"""How many connections a node has to its PostgreSQL, whatever it is asked at once."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import images
import psycopg
import pytest
from conftest import BROWSER, COVERED, configured, take_in
from postgres_server import Cluster, postgres
from running import Serve, run, serve
from stdnum import ean

__all__ = ["postgres", "serve"]

WORKERS, CONNECTIONS = 2, 3
TOKEN = "a token that nobody guesses"  # noqa: S105 - a test's
AT_ONCE, ASKED = 48, 350
RED = images.jpeg(images.solid(images.RED, 400, 600))
_COUNT = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where the node has its data."""
    return tmp_path / "data"


def wishes(key: str, isbns: Iterator[str]) -> Iterator[tuple[str, str, bytes | None]]:
    """Yield, by turns, a hit, what has no cover, what is known of a book, uploads, and pages."""
    for number in itertools.count():
        isbn = next(isbns)
        yield "GET", f"/devkey/{key}/medium/isbn/{COVERED}", None
        yield "GET", f"/devkey/{key}/w{60 + number % 100}/isbn/{COVERED}", None
        yield "GET", f"/devkey/{key}/small/isbn/{isbn}", None
        yield "GET", f"/devkey/{key}/info/isbn/{COVERED}", None
        yield "PUT", f"/devkey/{key}/original/isbn/{isbn}", RED + isbn.encode()
        yield "GET", f"/devkey/{key}/originals/isbn/{isbn}", None
        yield "GET", ("/status", "/admin/keys", "/admin/review", f"/usage/{key}")[number % 4], None


def numbered() -> Iterator[str]:
    """Yield valid ISBNs."""
    for number in itertools.count(978_014_200_000):
        yield f"{number}{ean.calc_check_digit(str(number))}"


async def flood(url: str, key: str) -> set[int]:
    """Ask for much at once; return the statuses."""
    statuses: set[int] = set()
    waiting = itertools.islice(wishes(key, numbered()), ASKED)
    headers = BROWSER | {"Authorization": f"Bearer {TOKEN}"}

    async def ask(client: aiohttp.ClientSession) -> None:
        for method, path, body in waiting:
            async with client.request(method, url + path, data=body) as answer:
                await answer.read()
                statuses.add(answer.status)

    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as client:
        await asyncio.gather(*(ask(client) for _ in range(AT_ONCE)))
    return statuses


async def test_a_flood_opens_no_more(
    postgres: Cluster, data: Path, drawn: Path, tmp_path: Path, serve: Serve
) -> None:
    """Covers, uploads and pages at once: each worker has its pool's connections, and one that listens."""
    url = postgres.new_database()
    store = {"url": url, "connections": CONNECTIONS}
    (tmp_path / "cover").mkdir()
    (tmp_path / "cover" / f"{COVERED}.jpg").write_bytes(min(drawn.rglob("*.jpg")).read_bytes())
    await asyncio.to_thread(take_in, configured(data, store=store), tmp_path / "cover", "reference")
    environment: dict[str, Any] = {
        "COVERPROXY_STORE__URL": url, "COVERPROXY_STORE__CONNECTIONS": str(CONNECTIONS),
        "COVERPROXY_ADMIN__TOKEN": TOKEN, "COVERPROXY_UPLOAD__PER_HOUR": "1000000",
    }  # fmt: skip
    node = await asyncio.to_thread(serve, "--workers", str(WORKERS), **environment)
    words = ("key", "create", "--label", "x", "--json")
    made = json.loads(await asyncio.to_thread(run, *words, data=data, **environment))
    seen: list[int] = []

    async def count() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            while True:
                found = await (await connection.execute(_COUNT)).fetchall()
                seen.append(found[0][0])
                await asyncio.sleep(0.01)

    counting = asyncio.create_task(count())
    statuses = await flood(node.url, made["key"])
    counting.cancel()
    with suppress(asyncio.CancelledError):
        await counting
    assert statuses >= {200, 201}
    assert not statuses & {500, 502}
    assert WORKERS * 2 <= max(seen) <= WORKERS * (CONNECTIONS + 1)
