"""Sizes in pixels over the wire: same file, same tag, and no more files than there are rungs."""

import asyncio
import time
from pathlib import Path

import numpy as np
import orjson
from conftest import COVERED, Running, Start, take_in
from fronting import before
from images import cover, decoded, jpeg, metadata, small_jpeg, with_metadata
from PIL import Image

from coverproxy.config import load
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.render import render


async def test_a_wish_is_the_file_of_its_rung(server: Running) -> None:
    """The same bytes and tag as the rung's own address, which Content-Location names."""
    rung = await server.get(server.path(size="w320"))
    for path in (
        f"{server.path()}?w=300", f"{server.path(size='w160')}?dpr=2", server.path(size="w160@2x"),
        server.path(size="w300"), server.path(size="w150@2x"), f"{server.path(size='w9')}?w=301",
    ):  # fmt: skip
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


async def test_a_width_that_is_no_rung_is_one_too(server: Running) -> None:
    """Any width up to 9999 in the path leads to a rung, at most to the largest; what is no width is 404."""
    largest = await server.get(server.path(size="w800"))
    for size in ("w801", "w9999", "w5000@3x"):
        got = await server.get(server.path(size=size))
        assert (got.body, got.headers["Content-Location"]) == (largest.body, server.path(size="w800")), size
    for size in ("w0", "w060", "w10000", "w-1", "w", "h300", "w300x", "w300@4x"):
        assert (await server.get(server.path(size=size))).status == 404, size


async def test_no_shape_leads_a_key_of_named_sizes_to_a_rung(server: Running) -> None:
    """Whatever pixels a shape's address has, and where it means the largest: it is a size with a name."""
    few = await server.new_key(named_sizes_only=True)
    names = set(server.config.sizes)
    for rest in (
        "w320/isbn/{i}", "w300/isbn/{i}", "medium/isbn/{i}?w=300", "medium@2x/isbn/{i}", "b/isbn/{i}.jpg",
        "b/id/{i}.jpg", "images/P/{i}.01._SX300_.jpg", "books/content?id={i}&fife=w300",
        "iiif/3/{i}/full/max/0/default.jpg",
    ):  # fmt: skip
        await server.get(f"/devkey/{few.name}/{rest.format(i=COVERED)}")
    made = {each.size for each in server.folder.cache.held(Identifier("isbn", COVERED))}
    assert made
    assert made <= names


async def test_xlarge_is_w1000(server: Running) -> None:
    """One file under two names, which IIIF's largest size is too; no pixels lead there."""
    xlarge = await server.get(server.path(size="xlarge"))
    for path in (server.path(size="w1000"), server.path(size="xlarge@2x")):
        got = await server.get(path)
        assert (got.body, got.headers["ETag"]) == (xlarge.body, xlarge.headers["ETag"]), path
    assert xlarge.headers["X-Cover-Size"] == "1000x1500"
    assert server.service.accounts.made_today(server.key) == 1


async def test_a_full_size_is_the_original_made_anew(start: Start, tmp_path: Path) -> None:
    """By config alone: all its pixels up to 4000 a side, without its metadata, as JPEG only, counted like any
    size. No wish, no list of sizes and no key of named sizes leads there by itself."""
    server = await start(sizes={"original": {"fit": "full"}})
    (tmp_path / "a.jpg").write_bytes(jpeg(with_metadata(cover(1300, 1950))))
    (tmp_path / "b.jpg").write_bytes(jpeg(cover(900, 4500)))
    (tmp_path / "c.jpg").write_bytes(jpeg(cover(300, 450)))
    (tmp_path / "list.csv").write_text("oclc,file\n1,a.jpg\n2,b.jpg\n3,c.jpg\n")
    await asyncio.to_thread(take_in, server.config, tmp_path / "list.csv", "copy")
    start_of = f"/devkey/{server.key.name}"

    whole, high, low = [await server.get(f"{start_of}/original/oclc/{number}") for number in (1, 2, 3)]
    assert (whole.headers["X-Cover-Size"], whole.headers["Content-Type"]) == ("1300x1950", "image/jpeg")
    assert (decoded(whole.body).shape[1], metadata(whole.body)) == (1300, set())
    assert (high.headers["X-Cover-Size"], low.headers["X-Cover-Size"]) == ("800x4000", "300x450")
    assert (await server.get(f"{start_of}/xlarge/oclc/3")).headers["X-Cover-Size"] == "300x450"
    assert server.service.accounts.made_today(server.key) == 4
    accepted = await server.get(f"{start_of}/original/oclc/1", Accept="image/avif,image/webp")
    assert accepted.headers["Content-Type"] == "image/jpeg"
    assert (await server.get(f"{start_of}/original/oclc/1.webp")).status == 404


async def test_nothing_leads_to_a_full_size_by_itself(start: Start, tmp_path: Path) -> None:
    """No wish, no key of named sizes, no IIIF viewer and no page asks for it; /info and the page name it."""
    server = await start(sizes={"original": {"fit": "full"}})
    (tmp_path / "a.jpg").write_bytes(jpeg(cover(1300, 1950)))
    (tmp_path / "list.csv").write_text("oclc,file\n1,a.jpg\n")
    await asyncio.to_thread(take_in, server.config, tmp_path / "list.csv", "copy")
    start_of = f"/devkey/{server.key.name}"
    few = await server.new_key(named_sizes_only=True)
    for path in (f"{start_of}/large/oclc/1?w=9999", f"/devkey/{few.name}/medium/oclc/1?w=9999"):
        assert (await server.get(path)).headers["X-Cover-Size"] in ("800x1200", "1000x1500")
    iiif = orjson.loads((await server.get(f"{start_of}/iiif/3/oclc:1/info.json")).body)
    assert iiif["width"] == 1000
    told = orjson.loads((await server.get(f"{start_of}/info/oclc/1")).body)["sizes"]["original"]
    assert (told["width"], told["height"]) == (1300, 1950)
    page = await server.get("/item/oclc/1", Accept="text/html")
    assert b"/original/oclc/1" in page.body
    assert b'src="/try/original' not in page.body


def test_a_full_size_is_bounded(tmp_path: Path) -> None:
    """Of pixels that cannot be compressed, the largest one is made in less than the time limit."""
    config = load(None, {}, {"sizes": {"original": {"fit": "full"}}})
    pixels = np.random.default_rng(1).integers(0, 256, (5000, 5000, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.jpg", quality=60)
    started = time.thread_time()
    body = (tmp_path / "noise.jpg").read_bytes()
    made = render(body, config.sizes["original"], Format.JPEG, config.limits)

    assert made.size == (4000, 4000)
    assert len(made.body) < config.limits.max_bytes / 3
    assert time.thread_time() - started < config.render.time_limit_seconds
