"""Another process keeps the write lock of state.db: nothing that reads waits for it, and nothing is lost."""

import asyncio
from pathlib import Path

import orjson
from conftest import COVERED, Running, Start
from write_lock import held


async def test_what_reads_does_not_wait_for_a_writer(start: Start, drawn_isbns: list[str]) -> None:
    """Hits, usage, info, status and unknown keys are answered while covers wait to be counted; all are."""
    server = await start()
    assert (await server.get(server.path())).cover == "made"
    key = (await server.new_key()).name
    with held(Path(server.config.data.dir) / "state.db"):
        cold = [asyncio.create_task(server.get(server.path(isbn, "small"))) for isbn in drawn_isbns[:4]]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(8):  # less than a statement waits for a lock by itself
            hit = await server.get(server.path(key=key))
            usage = await server.get(f"/devkey/{key}/usage")
            info = await server.get(f"/devkey/{key}/info?isbn={COVERED}")
            page = await server.get("/status.json")
            unknown = await server.get(server.path(key="x" * 26))
        made = [await each for each in cold]
        assert [each.cover for each in made] == ["made"] * 4
    assert (hit.cover, hit.headers["X-RateLimit-Remaining"]) == ("hit", "1000")
    assert [each.status for each in (usage, info, page, unknown)] == [200, 200, 200, 403]
    assert orjson.loads(page.body)["state"] == "ready"
    await counted(server, 5)


async def counted(server: Running, made: int) -> None:
    """Wait until the store has counted so many covers of the server's key."""
    accounts = server.service.accounts
    async with asyncio.timeout(60):
        while await accounts.counts.made([server.key.name], accounts.today()) != {server.key.name: made}:
            await asyncio.sleep(0.1)
