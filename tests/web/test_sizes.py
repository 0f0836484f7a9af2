"""Sizes in pixels over the wire: same file, same tag, and no more files than there are rungs."""

import asyncio
from pathlib import Path

import orjson
from conftest import COVERED, Running, Start, take_in
from fronting import before
from images import small_jpeg

from coverproxy.domain.spec import Identifier


async def test_a_wish_is_the_file_of_its_rung(server: Running) -> None:
    """The same bytes and tag as the rung's own address, which Content-Location names."""
    rung = await server.get(server.path(size="w320"))
    for path in (f"{server.path()}?w=300", f"{server.path(size='w160')}?dpr=2", server.path(size="w160@2x")):
        got = await server.get(path)
        assert (got.status, got.body, got.headers["ETag"]) == (200, rung.body, rung.headers["ETag"])
        assert got.headers["Content-Location"] == server.path(size="w320")
        assert got.headers["X-Cover-Size"] == rung.headers["X-Cover-Size"]
    medium, two = await server.get(server.path()), await server.get(server.path(size="w200"))
    sharp = await server.get(server.path(size="small@2x"))
    assert medium.headers["ETag"] == two.headers["ETag"] == sharp.headers["ETag"]
    assert server.service.accounts.made_today(server.key) == 2


async def test_enumerating_makes_no_more_than_the_rungs(server: Running) -> None:
    """Whoever asks for every width and density has as many files made as there are rungs, and pays."""
    for width in range(1, 1200, 37):
        for query in (f"w={width}", f"h={width}", f"w={width}&dpr=3", f"w={width}&q={width}&blur=1"):
            await server.get(f"{server.path()}?{query}")
    for size in ("small@2x", "medium@2x", "large@2x", "large@3x", "w60@3x"):
        await server.get(server.path(size=size))
    images = Path(server.config.data.dir) / "cache" / "v2" / "img"
    files = {path.stat().st_ino for path in images.rglob("*.*") if path.is_file()}

    assert len(files) == len(server.config.ladder.widths)
    assert server.service.accounts.made_today(server.key) == len(files)


async def test_a_replaced_cover_is_gone_in_every_size(server: Running) -> None:
    """What is purged is purged from the ladder too."""
    from conftest import COVERED

    from coverproxy.domain.identifier import Identifier

    for size in ("w60", "medium", "w800"):
        await server.get(server.path(size=size))
    assert await server.covers.purge(Identifier("isbn", COVERED)) == 3  # not its ISBN-10 names too
    assert (await server.get(server.path(size="w800"))).cover == "made"


async def test_nginx_serves_rungs(server: Running, tmp_path: Path) -> None:
    """A rung's address is a path on disk, and so is w200, which is medium: both are hits without the app."""
    await server.get(server.path(size="w320"))
    made = await server.get(server.path())
    async with before(server, tmp_path / "nginx") as front:
        for size in ("w320", "w200", "medium"):
            async with server.client.get(front + server.path(size=size)) as response:
                assert response.status == 200
                assert "RateLimit" not in response.headers, size
        async with server.client.get(front + server.path(size="w200")) as response:
            assert (await response.read(), response.headers["ETag"]) == (made.body, made.headers["ETag"])


async def test_named_sizes_pad_and_crop(start: Start, tmp_path: Path) -> None:
    """They are made by name alone; what may only be shown whole is padded, and no wish leads to them."""
    card = {"width": 160, "height": 160}
    server = await start(sizes={"card": card | {"fit": "crop"}, "tile": card | {"fit": "pad"}})
    (tmp_path / "a.jpg").write_bytes(small_jpeg(300, 330))
    (tmp_path / "b.jpg").write_bytes(small_jpeg(300, 331))
    (tmp_path / "list.csv").write_text("oclc,file,no_crop\n1,a.jpg,no\n2,b.jpg,yes\n")
    await asyncio.to_thread(take_in, server.config, tmp_path / "list.csv", "copy")
    key = server.key.name
    got = {
        (name, number): await server.get(f"/devkey/{key}/{name}/oclc/{number}")
        for name in ("card", "tile") for number in (1, 2)
    }  # fmt: skip
    assert {each.headers["X-Cover-Size"] for each in got.values()} == {"160x160"}
    assert got["card", 2].body == got["tile", 2].body
    assert got["card", 1].body != got["tile", 1].body
    wished = await server.get(f"/devkey/{key}/medium/oclc/1?w=160")
    assert wished.headers["X-Cover-Size"] == "160x176"
    told = orjson.loads((await server.get(f"/devkey/{key}/info/oclc/1")).body)["sizes"]["card"]
    assert (told["width"], told["height"]) == (160, 160)


async def test_files_of_an_item_are_bounded(server: Running) -> None:
    """By whatever sizes and shapes it is asked for, an item has no more files than there are sizes."""
    key = server.key.name
    for width in (*range(1, 1300, 160), 9999):
        for rest in (
            f"w{width}/isbn/{COVERED}", f"images/P/{COVERED}._SX{width}_.jpg",
            f"books/content?id={COVERED}&fife=w{width}", f"iiif/3/{COVERED}/full/{width},/0/default.jpg",
        ):  # fmt: skip
            await server.get(f"/devkey/{key}/{rest}")
    for name in ("small@2x", "medium@3x", "large@9x", "original", "huge"):
        await server.get(server.path(size=name))
    held = list(server.folder.cache.held(Identifier("isbn", COVERED)))
    table = server.config.size_table
    assert len(held) <= len(table.sizes)
    assert {each.size for each in held} <= set(table.sizes)
