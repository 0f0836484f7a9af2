"""Downloads behind a real nginx: what it sends and what the app answers count once, as clients see them."""

import asyncio
import re
from pathlib import Path
from typing import Any

import orjson
from conftest import COVERED, Start
from fronting import before
from services import program


async def usage_of(running: Any) -> dict[str, Any]:
    """The key's usage, as JSON."""
    got = await running.get(f"/devkey/{running.key.name}/usage", Accept="application/json")
    found: dict[str, Any] = orjson.loads(got.body)
    return found


async def downloaded(running: Any, wanted: int) -> dict[str, Any]:
    """The key's usage, once it tells so many downloads."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 30
    while (found := await usage_of(running))["downloaded_today"] < wanted and loop.time() < deadline:
        await asyncio.sleep(0.05)
    return found


async def test_hits_of_nginx_and_the_app_count_once(start: Start, tmp_path: Path) -> None:
    """The app's cover, nginx's hits by two shapes, HEAD, 304: only whole covers count, by size and shape."""
    log = str(tmp_path / "downloads.log")
    server = await start(front={"downloads_log": log})
    async with before(server, tmp_path / "nginx", downloads_log=log) as url:
        client, path = server.client, server.path()
        made = await client.get(url + path)
        assert made.headers["X-Cover-Status"] == "made"
        tag = made.headers["ETag"]
        key = server.key.name
        for address in (path, path, f"/devkey/{key}/b/isbn/{COVERED}-M.jpg"):
            got = await client.get(url + address)
            assert (got.status, got.headers["X-Cover-Status"]) == (200, "hit")
            assert "RateLimit" not in got.headers, "the app answered, not nginx"
        await client.head(url + path)
        unchanged = await client.get(url + path, headers={"If-None-Match": tag})
        assert unchanged.status == 304
        found = await downloaded(server, 4)
    assert found["downloaded_today"] == found["days"][-1]["downloaded"] == 4
    (size,) = found["downloads"]["today"]["sizes"]
    assert found["downloads"]["today"] == {
        "sizes": {size: 4}, "shapes": {"librarything": 3, "openlibrary": 1},
    }  # fmt: skip


async def test_hits_count_without_an_access_log(start: Start, tmp_path: Path) -> None:
    """With front.access_log = "" nginx notes its hits for the app all the same."""
    log = str(tmp_path / "downloads.log")
    server = await start(front={"downloads_log": log})
    async with before(server, tmp_path / "nginx", downloads_log=log, access_log="") as url:
        for _ in range(3):
            await server.client.get(url + server.path())
        found = await downloaded(server, 3)
    assert found["downloaded_today"] == 3
    assert not (tmp_path / "nginx" / "access.log").exists()


async def test_counts_agree_with_wrks(start: Start, tmp_path: Path) -> None:
    """After a second of wrk against nginx, the key's count is wrk's own within 0.1 %, two seconds later."""
    log = str(tmp_path / "downloads.log")
    server = await start(front={"downloads_log": log})
    wrk = program("wrk")
    async with before(server, tmp_path / "nginx", downloads_log=log) as url:
        await server.client.get(url + server.path())
        process = await asyncio.create_subprocess_exec(
            wrk, "-t1", "-c8", "-d1s", url + server.path(), stdout=asyncio.subprocess.PIPE
        )
        told = (await process.communicate())[0].decode()
        sent = int(re.search(r"(\d+) requests in", told)[1]) + 1  # type: ignore[index]
        found = await downloaded(server, sent)
    lost = server.service.metrics.registry.get_sample_value("coverproxy_downloads_lost_total")
    # wrk does not count the answers that were under way at its end: at most one for each connection
    assert sent <= found["downloaded_today"] <= sent + sent // 1000 + 8
    assert lost == 0


async def test_the_apps_hits_count_without_nginx(start: Start) -> None:
    """Without nginx, hits from memory count as covers from disk do; a missing cover is not one."""
    server = await start()
    for _ in range(4):
        assert (await server.get(server.path())).status == 200
    await server.get(server.path(), method="HEAD")
    await server.get(server.path(isbn="9780140328721"))

    assert (await downloaded(server, 4))["downloaded_today"] == 4
    assert orjson.loads((await server.get("/status.json")).body)["downloaded_today"] == 4
