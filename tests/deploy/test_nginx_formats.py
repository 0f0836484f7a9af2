"""A real nginx tries the best format that a client takes, then the next, as the app does."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from conftest import BROWSER, COVERED, Got, Running, Start
from fronting import before, fronted
from multidict import CIMultiDict
from ports import free_port
from yarl import URL

from coverproxy.config import Config
from coverproxy.domain.formats import Format
from coverproxy.web.accept import choices

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
LONG = "public, max-age=86400, stale-while-revalidate=86400"
SHORT = "public, max-age=300"
SIZES = {
    "small": {"offers": []},
    "medium": {"offers": ["avif"], "avif": {"effort": 0}},
    "large": {"offers": ["webp", "avif"], "avif": {"effort": 0}},
}

ACCEPTS = [
    CHROME,
    "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
    "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,"
    "image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
    "image/avif,image/webp,*/*",
    "image/webp,*/*",
    " image/webp ,image/avif, image/*;q=0.5",
    "IMAGE/AVIF,*/*",
    "image/png, image/svg+xml, image/jxr, image/*;q=0.8, */*;q=0.5",
    "*/*", "image/*", "image/jpeg", "",
    "image/avif", "image/webp,image/png", "image/avif,image/jpeg;q=0", "image/avif,image/*;q=0,*/*",
    "image/avif;q=0,image/webp,*/*", "image/avif;q=0.5,image/webp,*/*;q=0.1", "image/webp;q=0.1,image/jpeg",
    "image/avif,image/jpeg;q=0.2", "image/webpx,ximage/avif,*/*", "text/html,image/avif;v=1,*/*",
    "image/avif,*/*;q=0.000", "image/avif,*/*;q=0.001", "image/avif,*/*;q=.5", "image/avif,*/*;q=high",
]  # fmt: skip
"""What browsers and others send, with the oddities that only the app weighs."""


@pytest.fixture
async def server(start: Start) -> Running:
    """A server that offers formats by size, and has every one of them; its background makes nothing yet."""
    server = await start(formats={"background_idle": 0.999}, cache={"memory_bytes": 0}, sizes=SIZES)
    for size in SIZES:
        for form in Format:
            await server.get(server.path(f"{COVERED}.{form.value}", size))
    return server


@pytest.fixture
async def front(server: Running, tmp_path: Path) -> AsyncIterator[str]:
    """nginx before it."""
    async with before(server, tmp_path / "nginx") as url:
        yield url


async def ask(base: str, path: str, accept: str) -> Got:
    """Ask with an Accept header alone; "" sends none."""
    sent = CIMultiDict(BROWSER | ({"Accept": accept} if accept else {}))
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers={"Accept"}) as client,
        client.get(URL(base + path, encoded=True), headers=sent) as response,
    ):
        return Got(response.status, response.headers, await response.read())


async def test_nginx_chooses_as_the_app_does(server: Running, front: str) -> None:
    """Whatever a client sends, and for every size, with each set of files there: one format, one body."""
    cache, config = server.folder.cache, server.config
    gone: set[Format] = set()
    for goes in (None, Format.AVIF, Format.WEBP):
        gone |= {goes} if goes else set()
        for file in cache.layout.images.rglob(f"*.{goes.value}") if goes else ():
            file.unlink()
        for size in SIZES:
            offered = config.sizes[size].offered(config.formats)
            for accept in ACCEPTS:
                *better, last = choices(accept, config.formats.enabled, offered)
                wanted = next((form for form in (*better, last) if form not in gone), Format.JPEG)
                if last is not Format.JPEG:
                    continue  # made at once: the next test
                got = await ask(front, server.path(size=size), accept)
                ours = await ask(server.listeners.url, server.path(size=size), accept)
                assert got.headers["Content-Type"] == wanted.media_type, (size, accept, gone)
                assert (got.body, got.headers["Cache-Control"]) == (ours.body, ours.headers["Cache-Control"])
                is_best = not better or wanted is better[0]
                assert got.headers["Cache-Control"] == (LONG if is_best else SHORT), (size, accept)


async def test_the_app_is_told_of_some_wishes(server: Running, front: str) -> None:
    """Of the views of a JPEG that should be an AVIF, one in ten reaches the app, which notes the wish."""
    for file in server.folder.cache.layout.images.rglob("*.avif"):
        file.unlink()
    seen = []
    while len(server.service.better._queue) == 0:
        got = await ask(front, server.path(), CHROME)
        seen.append("RateLimit" in got.headers)
        assert (got.cover, got.headers["Content-Type"]) == ("hit", "image/jpeg")
        assert len(seen) < 500
    assert seen[-1]
    assert not any(seen[:-1])


async def test_other_services_addresses_get_the_best_too(server: Running, front: str) -> None:
    """A shape's address is answered in the format that its size offers, with its own address named."""
    path = f"/devkey/{server.key.name}/b/isbn/{COVERED}-L.jpg"
    got = await ask(front, path, CHROME)
    ours = await ask(server.listeners.url, path, CHROME)

    assert (got.headers["Content-Type"], got.body) == ("image/avif", ours.body)
    assert got.headers["Content-Location"] == ours.headers["Content-Location"]
    assert "RateLimit" not in got.headers


async def test_a_dead_app_loses_no_cover(server: Running, tmp_path: Path) -> None:
    """With the app away every view of a JPEG that should be an AVIF gets the JPEG, sampled or not."""
    for file in server.folder.cache.layout.images.rglob("*.avif"):
        file.unlink()
    nobody = f"http://127.0.0.1:{free_port()}"
    async with fronted(Path(server.config.data.dir), nobody, tmp_path / "alone") as front:
        for _ in range(60):
            got = await ask(front, server.path(), CHROME)
            assert (got.cover, got.headers["Content-Type"]) == ("hit", "image/jpeg")


async def test_without_a_background_jpeg_is_for_keeps(start: Start, tmp_path: Path) -> None:
    """With formats.background_cores = 0 nobody is sampled, and a JPEG is kept for long."""
    server = await start(formats={"background_cores": 0.0})
    await server.get(server.path())
    async with before(server, tmp_path / "other") as front:
        for _ in range(30):
            got = await ask(front, server.path(), CHROME)
            assert got.headers["Cache-Control"] == LONG
            assert "RateLimit" not in got.headers


async def test_nginx_serves_no_format_that_was_switched_off(
    server: Running, front: str, start: Start
) -> None:
    """A format that is off when a service begins comes from no nginx, whatever its configuration says.

    Nor does it after a process with earlier settings has laid the link again. Once it is on, it is there.
    """
    off = await start(Path(server.config.data.dir), formats={"avif": False}, sizes=SIZES)
    for _ in range(2):
        got = await by_nginx(front, server.path())
        forced = await ask(front, server.path(f"{COVERED}.avif"), CHROME)
        assert (got.cover, got.headers["Content-Type"]) == ("hit", "image/jpeg")
        assert "RateLimit" in forced.headers  # the app's, which here has it on
        server.folder.cache.open()
        assert off.folder.cache.mend()
    assert not off.folder.cache.mend()
    assert server.folder.cache.mend()
    assert (await by_nginx(front, server.path())).headers["Content-Type"] == "image/avif"


async def by_nginx(front: str, path: str) -> Got:
    """What nginx itself answers Chrome: one in ten it may pass on."""
    while "RateLimit" in (got := await ask(front, path, CHROME)).headers:
        pass
    return got


def test_the_defaults_offer_what_browsers_take() -> None:
    """Each size that is served by default offers at least one format that Chrome is answered with."""
    config = Config()
    for name, size in config.size_table.sizes.items():
        forms = choices(CHROME, config.formats.enabled, size.offered(config.formats))
        assert forms[0] is Format.AVIF, name
        assert forms[-1] is Format.JPEG
