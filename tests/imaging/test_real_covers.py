"""Real covers and hostile images, through import and HTTP, where the collection of them is at hand."""

import asyncio
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Running, configured, take_in

from coverproxy.domain import isbn
from coverproxy.domain.formats import Format, Loader, dimensions, sniff
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.imaging import transform, vips
from coverproxy.wiring.data_folder import open_shelf

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the collection of real covers is not here")


def peak_mebibytes() -> float:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def test_real_covers_in_three_sizes_and_two_formats(server: Running) -> None:
    """Every real cover that import takes is served in all sizes as JPEG and WebP, whole, in its box."""
    report = await asyncio.to_thread(take_in, server.config, DATA / "covers", "copy")
    assert report.added >= 80
    assert report.refused == {"same-bytes": 7, "tiny": 1}
    names = sorted(path.stem for path in (DATA / "covers").iterdir())
    served = 0
    for size, box in server.config.usual_sizes.items():
        for form in (Format.JPEG, Format.WEBP):
            paths = [server.path(f"{name}.{form.value}", size=size) for name in names]
            for got in [await server.get(path) for path in paths]:
                if got.cover == "missing":
                    continue
                assert got.cover == "made"
                width, height = dimensions(got.body, form) or (0, 0)
                assert got.headers["X-Cover-Size"] == f"{width}x{height}"
                assert 10 <= width <= box.width
                assert 10 <= height <= box.height
                served += 1
    assert served == report.added * 6


async def test_hostile_images_are_refused_or_rendered(server: Running, tmp_path: Path) -> None:
    """Each hostile file under an ISBN's name is refused by import or answered like any original; nothing
    crashes, hangs, leaves a file or takes much memory."""
    before = peak_mebibytes()
    folder = tmp_path / "hostile"
    folder.mkdir()
    files = sorted(path for path in (DATA / "hostile").rglob("*") if path.is_file())
    names = [f"979{number:09d}" for number in range(len(files))]
    whole = [name + str(-sum(int(d) * (1, 3)[at % 2] for at, d in enumerate(name)) % 10) for name in names]
    for name, path in zip(whole, files, strict=True):
        assert isbn.parse(name).isbns == (name,)
        shutil.copy(path, folder / f"{name}.jpg")
    report = await asyncio.to_thread(take_in, server.config, folder, "copy")
    async with asyncio.timeout(60):
        got = [await server.get(server.path(name)) for name in whole]

    assert report.seen == len(files)
    assert {each.cover for each in got} == {"made", "missing"}
    assert sum(each.cover == "made" for each in got) <= report.added
    assert all(dimensions(each.body, Format.JPEG) for each in got if each.cover == "made")
    for place in (server.folder.cache.layout.temporary, server.originals / "tmp"):
        assert not list(place.iterdir())
    assert peak_mebibytes() - before < 500


def test_every_original_is_in_its_place(tmp_path: Path) -> None:
    """After an import the data folder opens again, and every original lies in its place, whole."""
    config = configured(tmp_path / "data")
    take_in(config, DATA / "covers", "copy")
    with open_shelf(config) as shelf:
        names = [path.stem for path in (DATA / "covers").iterdir()]
        found = [each for name in names for each in shelf.catalogue.find(_identifier(name))]
        assert len(found) >= 80
        assert all(shelf.files.has(each) for each in found)


def _identifier(value: str) -> Identifier:
    return Identifier(ISBN, value)


def test_srgbs_own_profile_changes_nothing() -> None:
    """Covers that bring sRGB's own profile are as their transform would leave them, to the pixel."""
    seen = 0
    for path in sorted((DATA / "covers").iterdir()):
        body = path.read_bytes()
        if sniff(body[:32]) is not Loader.JPEG:
            continue
        image: Any = vips.open_original(body, Loader.JPEG)
        if image.get_typeof("icc-profile-data") and not transform.is_foreign(image):
            small = image.thumbnail_image(200, height=300, size="force").copy_memory()
            moved = small.icc_transform("srgb", embedded=True, intent="relative")
            assert (small - moved).abs().max() == 0
            seen += 1

    assert seen
