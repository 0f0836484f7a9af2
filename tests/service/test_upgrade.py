"""A data folder made by an earlier version is served on: nothing is made again, nobody pays."""

import asyncio
import shutil
from pathlib import Path

import caches
import images
import pytest
from conftest import Running, Start

from coverproxy.config import load
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.service.revisions import revisions

FORMER = {"small": "1d0fcf2543", "medium": "d3007378b9", "large": "e02ae045a1"}
"""The revisions of the default sizes at c60cc92, by its own rule."""

LIMIT = 12

SAMPLES = {
    Format.JPEG: bytes.fromhex("ffd8ffe000100000000000000000000000000000ffc0000b08012c00c801011100ffd9"),
    Format.AVIF: images.avif(images.cover(200, 300)),
    Format.WEBP: b"RIFF\x12\x00\x00\x00WEBPVP8L\x05\x00\x00\x00\x2f\xc7\xc0\x4a\x00\x00",
}


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


def lay(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


async def views(server: Running, books: list[str], key: str) -> dict[str, tuple[str, bytes]]:
    answers = {}
    for book in books:
        for size in ("small", "medium", "large"):
            got = await server.get(server.path(book, size, key))
            answers[f"{size} {book}"] = got.cover, got.body
    return answers


LATER = {
    "small": ("ee5cb47991", "7b39898aa1", "bf17cab651"),
    "medium": ("368b27cbf0", "1eb83f216f", "1104d0d536"),
    "large": ("b28bc7b407", "c7a82718ae", "b164451f84"),
    "w320": ("52c9a35f73", "803deb1587", "72d2340308"),
    "w640": ("1391726d7a", "c6b7aeace3", "48501868f7"),
    "w1000": ("39bf5ba4e6", "df525bd4cb", "9e3b62ce31"),
}
"""The revisions of default sizes at 4a72943, for JPEG, WebP and AVIF."""

LAST = {
    "medium": ("368b27cbf0", "1eb83f216f", "ebc4678b3f"),
    "large": ("b28bc7b407", "4f6ac65575", "540b8dd1f8"),
    "w320": ("52c9a35f73", "f9c6e9ff79", "49c5e555de"),
    "w640": ("1391726d7a", "8d78fe6785", "021f8e7f0a"),
    "w800": ("3e73748c75", "d0c8679fc6", "9260056f32"),
    "w1000": ("39bf5ba4e6", "8db31fdc25", "8cb12079ca"),
}
"""The revisions of default sizes at 0945a6c."""

COARSE = {
    "small": ("ee5cb47991", "7b39898aa1", "244aab7564"),
    "medium": ("368b27cbf0", "1eb83f216f", "ebc4678b3f"),
    "w60": ("75442fe6a5", "dd577f6756", "504aad888d"),
    "w160": ("c1da47cd9f", "93b1ef65a8", "5ad5c0f8cf"),
}
"""The revisions of default sizes at d12289a, when every size was decoded at twice its target."""


OWN = {"sizes": {"xlarge": {"width": 900, "height": 1350}, "original": {"width": 700, "height": 1050}}}
OWN_REVISIONS = {
    ("xlarge", "jpg"): "9f978569f7", ("xlarge", "webp"): "b6bf124228", ("xlarge", "avif"): "2800319b5b",
    ("original", "jpg"): "199635ab6a", ("original", "webp"): "90c6451676", ("original", "avif"): "b9ec7f2582",
}  # fmt: skip
"""Those of sizes of an operator's own at ffb3797, when there was no xlarge by default."""


def test_sizes_of_ones_own_stay_what_they_are() -> None:
    """A box called xlarge or original before has the same settings as before: its covers stay."""
    _, _, equal = revisions(load(None, {}, OWN))
    kept = {folder for folders in equal.values() for folder in folders}

    assert {f"{name}/{form}/{value}" for (name, form), value in OWN_REVISIONS.items()} <= kept


@pytest.mark.parametrize("size", ["small", "w60", "w160"])
def test_a_finer_decode_scale_counts_where_it_is_set(size: str) -> None:
    """The former default counts as the present one; as the operator's own setting it is what it was, and
    another scale of the operator's own makes covers anew."""
    former = dict(zip(Format, COARSE[size], strict=True))
    _, _, equal = revisions(load(None, {}))
    for form, revision in former.items():
        assert f"{size}/{form.value}/{revision}" in equal[size, form]
    if size != "small":
        return
    for scale, is_as_before in ((2.0, True), (5.0, False)):
        _, _, equal = revisions(load(None, {}, {"sizes": {size: {"decode_scale": scale}}}))
        found = [f"{size}/{form.value}/{former[form]}" in equal[size, form] for form in Format]
        assert found == [is_as_before] * 3


def test_a_finer_decode_scale_reaches_sizes_of_ones_own() -> None:
    """A small box of the operator's own is decoded as small is, and its covers at the former scale stay."""
    own = {"sizes": {"thumb": {"width": 40, "height": 60}}}
    present, _, equal = revisions(load(None, {}, own))
    before = {"sizes": {"thumb": {"width": 40, "height": 60, "decode_scale": 2.0}}}
    former, _, _ = revisions(load(None, {}, before))

    for form in Format:
        assert present["thumb", form] != former["thumb", form]
        assert f"thumb/{form.value}/{former['thumb', form]}" in equal["thumb", form]


def inodes(cache: Path) -> set[int]:
    return {path.stat().st_ino for path in (cache / "v2/img").rglob("97*.*")}


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

    assert {status for status, _ in again.values()} == {"hit"}
    assert {name: body for name, (_, body) in again.items()} == {
        name: body for name, (_, body) in made.items()
    }
    assert all(held.is_live for book in books for held in second.folder.cache.held(Identifier("isbn", book)))


@pytest.mark.parametrize("former", [LATER, LAST, COARSE], ids=["4a72943", "0945a6c", "d12289a"])
async def test_other_defaults_alone_make_nothing_again(
    start: Start, tmp_path: Path, drawn_isbns: list[str], former: dict[str, tuple[str, str, str]]
) -> None:
    """Derivatives of every default size and format of earlier versions are current: the same files, by
    renames of their folders; also those that such a version had itself taken over from layout v1."""
    book, other = drawn_isbns[0], drawn_isbns[1]
    first = await start(tmp_path / "data")
    layout = first.folder.cache.layout
    shutil.rmtree(layout.images)
    for size, names in former.items():
        for form, name in zip(Format, names, strict=True):
            below = layout.paths(Spec(Identifier("isbn", book), "medium", form))[0].relative_to(
                layout.folder("medium", form)
            )
            lay(layout.images / size / form.value / name / below, SAMPLES[form])
    for size, name in FORMER.items():
        spec = Spec(Identifier("isbn", other), size, Format.JPEG)
        below = layout.paths(spec)[0].relative_to(layout.folder(size, Format.JPEG))
        lay(layout.images / size / "jpg" / name / below, SAMPLES[Format.JPEG])
    before = inodes(tmp_path / "data/cache")

    second = await start(tmp_path / "data")
    cache = second.folder.cache
    for size in former:
        named = second.config.size_table.named(size)
        assert named
        for form in Format:
            assert cache.find(Spec(Identifier("isbn", book), named, form)), (size, form)
    for size in FORMER:
        assert (await second.get(second.path(other, size))).cover == "hit"
        assert cache.find_older(Spec(Identifier("isbn", other), size, Format.JPEG)) is None
    assert inodes(tmp_path / "data/cache") == before
    assert all(held.is_live for held in cache.held(Identifier("isbn", book)))


async def test_the_background_takes_over_what_nobody_asks_for(
    start: Start, tmp_path: Path, drawn_isbns: list[str]
) -> None:
    """Without any request the former cache empties into the present one, and its folder goes."""
    first = await start(tmp_path / "data")
    await views(first, drawn_isbns[:2], first.key.name)
    cache = tmp_path / "data/cache"
    count = await asyncio.to_thread(lay_former_cache, cache)

    await start(tmp_path / "data", cache={"check_seconds": 0.1})
    async with asyncio.timeout(60):
        while (cache / "v1-taken-over").exists():
            await asyncio.sleep(0.05)

    assert len(list((cache / "v2/img").rglob("97*.*"))) == count
    assert (cache / "v1").is_symlink()
