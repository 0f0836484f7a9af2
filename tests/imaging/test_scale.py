"""Plain pixels are scaled alike with fast_image_resize and without it."""

import subprocess
import sys
from pathlib import Path

import images
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.config import Config
from coverproxy.domain.formats import Format
from coverproxy.imaging import scale
from coverproxy.imaging.render import render

CONFIG = Config()
needs_the_wheel = pytest.mark.skipif(scale.fast() is None, reason="fast_image_resize has no wheel here")

KINDS = ["jpeg-420", "jpeg-progressive", "jpeg-grey", "jpeg-p3"]

_CHILD = """
import sys, images
from pathlib import Path
from coverproxy.config import Config
from coverproxy.domain.formats import Format
from coverproxy.imaging import scale
from coverproxy.imaging.render import render
config = Config()
for kind in sys.argv[2:]:
    for name, size in config.sizes.items():
        made = render(images.drawn(kind), size, Format.JPEG, config.limits)
        Path(sys.argv[1], kind + name).write_bytes(made.body)
print(scale.fast() is None)
"""


def array(width: int, height: int) -> np.ndarray:
    """A picture in four bytes a pixel, the fourth without meaning."""
    pixels = images.cover(width, height).numpy()
    noise = np.random.default_rng(1).integers(0, 255, pixels.shape[:2])
    return np.ascontiguousarray(np.dstack([pixels, noise]), np.uint8)


def rgb(pixels: bytes, target: tuple[int, int]) -> np.ndarray:
    return np.frombuffer(pixels, np.uint8).reshape(target[1], target[0], 4)[:, :, :3].astype(int)


@needs_the_wheel
@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(12, 700), height=st.integers(12, 700), share=st.floats(0.1, 1), cut=st.integers(0, 1)
)
def test_both_ways_scale_alike(width: int, height: int, share: float, cut: int) -> None:
    """Whatever the sides, with a row and column to be left out or not, the two differ by rounding alone."""
    pixels, crop = array(width, height), (width - cut, height - cut)
    target = max(round(crop[0] * share), 10), max(round(crop[1] * share), 10)
    library = scale.fast()
    ours = rgb(scale._fast(library, pixels, crop, target), target)
    theirs = rgb(scale._by_libvips(pixels, crop, target), target)
    assert np.abs(ours - theirs).mean() < 3
    assert rgb(scale.scaled(pixels, crop, target), target).shape == ours.shape


def test_the_fourth_byte_changes_nothing() -> None:
    """What stands in it, be it 0, is not taken for alpha."""
    pixels = array(400, 600)
    clear = pixels.copy()
    clear[:, :, 3] = 0
    target = 200, 300
    one, other = (rgb(scale.scaled(each, (400, 600), target), target) for each in (pixels, clear))
    assert np.array_equal(one, other)


@pytest.fixture(scope="module")
def without_the_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a process makes that the wheel is kept from: each kind in each size, in a file by their names."""
    folder = tmp_path_factory.mktemp("made")
    command = [sys.executable, "-c", _CHILD, str(folder), *KINDS]
    environment = {"PYTHONPATH": ":".join(sys.path), "COVERPROXY_SCALER": "libvips"}
    child = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert child.stdout.strip() == b"True"
    return folder


@pytest.mark.parametrize("size", CONFIG.sizes)
@pytest.mark.parametrize("kind", KINDS)
def test_a_machine_without_the_wheel_makes_the_same_cover(
    kind: str, size: str, without_the_wheel: Path
) -> None:
    """With the wheel kept away, a process renders the same picture, as far as an eye can tell."""
    here = images.decoded(render(images.drawn(kind), CONFIG.sizes[size], Format.JPEG, CONFIG.limits).body)
    there = images.decoded((without_the_wheel / f"{kind}{size}").read_bytes())
    assert here.shape == there.shape
    assert np.abs(here - there).mean() < 2.5


def test_pictures_in_turn_do_not_mix() -> None:
    """The memory that is decoded into is used again; no derivative shows anything of the one before."""
    bodies = [images.jpeg(images.solid(colour, 300, 450)) for colour in images.CORNERS]
    small = images.jpeg(images.solid((9, 9, 9), 40, 60))
    medium, limits = CONFIG.sizes["medium"], CONFIG.limits
    for body, colour in zip(bodies, images.CORNERS, strict=True):
        made = render(body, medium, Format.JPEG, limits).body
        assert images.mean(made) == pytest.approx(colour, abs=3)
        made = render(small, medium, Format.JPEG, limits).body
        assert images.mean(made) == pytest.approx((9, 9, 9), abs=3)
