"""One value for all who ask within its time: found by one, awaited by the others."""

import asyncio

import pytest

from coverproxy.concurrency.refreshed import Refreshed


async def test_one_finds_it_for_all() -> None:
    """Twenty who ask at once, and those who come within its time, share one search; then it is found anew."""
    searches = 0

    async def find() -> int:
        nonlocal searches
        searches += 1
        await asyncio.sleep(0.01)
        return searches

    value = Refreshed(0, 60.0)
    assert await asyncio.gather(*(value.get(find) for _ in range(20))) == [1] * 20
    assert await value.get(find) == 1
    value.until = 0.0
    assert await value.get(find) == 2


async def test_a_search_that_fails_is_made_again() -> None:
    """Its error is the asker's; the value of before stays, and the next one looks again."""

    async def fail() -> int:
        raise OSError("gone")

    async def find() -> int:
        return 5

    value = Refreshed(0, 60.0)
    with pytest.raises(OSError, match="gone"):
        await value.get(fail)
    assert value.found == 0
    assert await value.get(find) == 5
