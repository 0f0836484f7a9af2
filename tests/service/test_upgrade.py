"""A data folder made by an earlier version is served on: nothing is made again, nobody pays."""

import asyncio
import shutil
from pathlib import Path

import caches
from conftest import Running, Start

FORMER = {"small": "1d0fcf2543", "medium": "d3007378b9", "large": "e02ae045a1"}
"""The revisions of the default sizes at c60cc92, by its own rule."""

LIMIT = 12


def lay_former_cache(cache: Path) -> int:
    """Turn a cache of layout v2 into what c60cc92 would have made; return how many covers it holds."""
    count = 0
    for path in list((cache / "v2/img").rglob("97*.*")):
        size = path.relative_to(cache / "v2/img").parts[0]
        former = caches.former_file(cache, size, FORMER[size], path.stem, path.suffix[1:])
        caches.lay_former(former, path.read_bytes(), int(path.stat().st_mtime))
        count += 1
    shutil.rmtree(cache / "v2")
    return count


async def views(server: Running, books: list[str], key: str) -> dict[str, tuple[str, bytes]]:
    answers = {}
    for book in books:
        for size in ("small", "medium", "large"):
            got = await server.get(server.path(book, size, key))
            answers[f"{size} {book}"] = got.cover, got.body
    return answers


async def test_a_cache_of_layout_v1_is_served_as_it_is(
    start: Start, tmp_path: Path, drawn_isbns: list[str]
) -> None:
    """After an upgrade every cover is there, the same bytes, although its key has no quota left."""
    books = [book for book in drawn_isbns if book.startswith("978")][: LIMIT // 3]
    first = await start(tmp_path / "data")
    key = (await first.new_key(daily_limit=LIMIT)).name
    made = await views(first, books, key)
    assert {status for status, _ in made.values()} == {"made"}
    assert await asyncio.to_thread(lay_former_cache, tmp_path / "data/cache") == LIMIT

    second = await start(tmp_path / "data")
    again = await views(second, books, key)

    assert {status for status, _ in again.values()} <= {"hit", "stale"}
    assert {name: body for name, (_, body) in again.items()} == {
        name: body for name, (_, body) in made.items()
    }


async def test_the_background_takes_over_what_nobody_asks_for(
    start: Start, tmp_path: Path, drawn_isbns: list[str]
) -> None:
    """Without any request the former cache empties into the present one, and its folder goes."""
    first = await start(tmp_path / "data")
    await views(first, drawn_isbns[:2], first.key.name)
    cache = tmp_path / "data/cache"
    count = await asyncio.to_thread(lay_former_cache, cache)

    await start(tmp_path / "data", cache={"check_seconds": 0.1})
    async with asyncio.timeout(20):
        while (cache / "v1-taken-over").exists():
            await asyncio.sleep(0.05)

    assert len(list((cache / "v2/img").rglob("97*.*"))) == count
    assert (cache / "v1").is_symlink()
