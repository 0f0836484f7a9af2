"""An nginx before one node stops serving what another node took back: by itself, and within a second."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conftest import BROWSER, COVERED, Running, take_in
from fronting import before
from nodes import ANNA, BOOK, PROMISED, Busy, cover, nodes, settings, until, ways
from postgres_server import database, postgres

from coverproxy.web.app_keys import CURATOR

__all__ = ["cover", "database", "nodes", "postgres", "settings", "ways"]


@dataclass
class Front:
    """Two nodes, and an nginx before the other one."""

    one: Running
    other: Running
    url: str

    async def get(self, key: str | None = None) -> tuple[str, bytes, bool]:
        """What nginx answers: the status, the cover, and whether the app was not asked for it."""
        async with self.other.client.get(self.url + self.other.path(key=key), headers=BROWSER) as answer:
            told = answer.headers
            return told["X-Cover-Status"], await answer.read(), "RateLimit" not in told

    async def is_served_by_nginx(self) -> bool:
        """Whether nginx serves the cover itself."""
        status, _, is_its_own = await self.get()
        return status == "hit" and is_its_own

    async def is_not_served(self) -> bool:
        """Whether nginx no longer has anything to serve."""
        return not await self.is_served_by_nginx()

    async def seconds_until(self, holds: Callable[[], Awaitable[bool]], after: Awaitable[object]) -> float:
        """Do something on the first node; return how long it takes until something holds at the other."""
        async with Busy() as busy:
            started = time.monotonic()
            await after
            await until(holds)
            return time.monotonic() - started - busy.seconds


@pytest.fixture
async def front(nodes: list[Running], tmp_path: Path) -> AsyncIterator[Front]:
    """Two nodes, of which the other's nginx serves the one cover from its disk."""
    one, other = nodes
    async with before(other, tmp_path / "nginx") as url:
        found = Front(one, other, url)
        await until(found.is_served_by_nginx)
        yield found


async def test_a_revoked_key(front: Front) -> None:
    """A key that one node revokes the other's nginx serves no more; another key it goes on serving."""
    key = front.one.key
    kept = await front.one.new_key()

    async def is_kept_served() -> bool:
        status, _, is_its_own = await front.get(kept.name)
        return status == "hit" and is_its_own

    await until(is_kept_served)
    revoking = front.one.service.accounts.save(replace(key, revoked_at=1))
    took = await front.seconds_until(front.is_not_served, revoking)

    assert (await front.get())[0] == "key"
    assert await is_kept_served()
    assert took < PROMISED


@pytest.mark.parametrize("act", ["hide", "purge"])
async def test_a_cover_that_is_taken_back(front: Front, act: str) -> None:
    """What one node hides or purges the other's nginx serves no more, and the app says the rest."""
    if act == "purge":
        doing: Awaitable[object] = front.one.covers.purge(BOOK)
    else:
        doing = asyncio.to_thread(front.one.app[CURATOR].hide, BOOK, None, ANNA)
    took = await front.seconds_until(front.is_not_served, doing)

    assert (await front.get())[0] in {"hide": ("missing",), "purge": ("made", "hit")}[act]
    assert took < PROMISED


async def test_a_replaced_cover(front: Front, drawn: Path, tmp_path: Path) -> None:
    """A cover that one node replaces the other's nginx serves no more: then only the new one."""
    _, old, _ = await front.get()
    (tmp_path / "coming").mkdir()
    shutil.copy(max(drawn.rglob("*.jpg")), tmp_path / "coming" / f"{COVERED}.jpg")

    async def is_not_old() -> bool:
        return (await front.get())[1] != old

    doing = asyncio.to_thread(take_in, front.one.config, tmp_path / "coming", "reference")
    took = await front.seconds_until(is_not_old, doing)
    assert took < PROMISED
    await until(front.is_served_by_nginx)
    assert (await front.get())[1] != old
