"""Printed music: catalogues send an ISMN as an ISBN, as a bar code, or as what it is."""

import asyncio
from pathlib import Path

import orjson
import pytest
from conftest import Running, take_in
from images import small_jpeg
from running import run

AS_ISMN, AS_ISBN = "9790260000438", "9790230671187"
WAYS = (
    "/medium/isbn/{}", "/medium/ean/{}", "/medium/upc/{}", "/medium/ismn/{}", "/medium/asin/{}",
    "/b/isbn/{}-M.jpg", "/b/ean/{}-M.jpg", "/b/ismn/{}-M.jpg", "/b/id/{}-M.jpg", "/images/P/{}.01.MZZZ.jpg",
    "/index.aspx?isbn={}/MC.GIF", "/index.aspx?upc={}/MC.GIF", "/ContentCafe/Jacket.aspx?Type=M&Value={}",
    "/poca/content_img?ean={}", "/?isbn={}&size=M", "/covers/?id={}&format=img", "/books/content?id={}",
    "/books/content?id=ismn:{}&zoom=1",
)  # fmt: skip


async def stocked(server: Running, folder: Path) -> None:
    """Enter one item by an ISMN in a list, and one by a file that bears its number as books do."""
    files = folder / "files"
    files.mkdir()
    (files / f"{AS_ISBN}.jpg").write_bytes(small_jpeg(201, 300))
    (folder / "a.jpg").write_bytes(small_jpeg(200, 300))
    (folder / "list.csv").write_text(f"ismn,file\nM-2600-0043-8,{folder}/a.jpg\n")
    for path in (files, folder / "list.csv"):
        await asyncio.to_thread(take_in, server.config, path, "copy")


async def test_it_is_found_by_every_scheme_and_shape(server: Running, tmp_path: Path) -> None:
    """Entered by either, it is one item: the same picture everywhere, made and counted once."""
    await stocked(server, tmp_path)
    for value in (AS_ISMN, AS_ISBN):
        first, *others = [await server.get(f"/devkey/{server.key.name}{way.format(value)}") for way in WAYS]
        assert first.cover == "made"
        for way, got in zip(WAYS[1:], others, strict=True):
            assert (got.status, got.body) == (200, first.body), way
    assert server.service.accounts.made_today(server.key) == 2


async def test_it_is_told_by_every_scheme(server: Running, tmp_path: Path) -> None:
    """/info says how it was read, bulk lists and JSON shapes have it, and it has one page."""
    await stocked(server, tmp_path)
    base = f"/devkey/{server.key.name}"
    for value in (AS_ISMN, AS_ISBN):
        for scheme in ("isbn", "ean", "ismn"):
            told = orjson.loads((await server.get(f"{base}/info/{scheme}/{value}")).body)
            assert (told["identifier"], told["has_cover"]) == (f"ismn:{value}", True)
            page = await server.get(f"/item/{scheme}/{value}", Accept="text/html")
            assert page.status == 200
            assert value.encode() in page.body
        asked = f"{value},ismn:{value},ean:{value}"
        many = orjson.loads((await server.get(f"{base}/info?isbn={asked}")).body)
        assert set(many.values()) == {True}
        books = orjson.loads(
            (
                await server.get(f"{base}/api/books?bibkeys=ISBN:{value},ismn:{value}&format=json&jscmd=data")
            ).body
        )
        assert len(books) == 2
        for each in books.values():
            cover = each["cover"]["medium"].removeprefix(server.listeners.url)
            assert (await server.get(cover)).headers["Content-Type"] == "image/jpeg"
        coce = orjson.loads((await server.get(f"{base}/cover?id={value}")).body)
        assert (await server.get(coce[value].removeprefix(server.listeners.url))).cover in ("made", "hit")


@pytest.mark.parametrize("scheme", ["", "ismn:", "ean:"])
async def test_commands_know_it_by_every_scheme(server: Running, tmp_path: Path, scheme: str) -> None:
    """`cover`, `alias` and `purge` mean the same item by either spelling."""
    await stocked(server, tmp_path)
    data = Path(server.config.data.dir)
    await server.get(server.path(AS_ISMN))
    told = orjson.loads(await asyncio.to_thread(run, "cover", f"{scheme}{AS_ISMN}", "--json", data=data))
    assert [each["identifier"] for each in told["books"]] == [f"ismn:{AS_ISMN}"]
    assert told["books"][0]["originals"]
    linked = await asyncio.to_thread(
        run, "alias", "add", f"{scheme}{AS_ISBN}", "oclc:4711", "--json", data=data
    )
    assert orjson.loads(linked)["names"] == [f"ismn:{AS_ISBN}", "oclc:4711"]
    purged = await asyncio.to_thread(run, "purge", f"{scheme}{AS_ISMN}", "--json", data=data)
    assert orjson.loads(purged)["removed"] == {f"ismn:{AS_ISMN}": 1}
