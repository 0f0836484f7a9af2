"""Plain JPEGs take a shorter way: it gives the same picture to the pixel, and lets nothing bad pass."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import images
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import ODD

from coverproxy.config import Config, Jpeg, Size
from coverproxy.domain.formats import Format, Loader
from coverproxy.imaging import jpeg, jpeg_repair, turbo, vips
from coverproxy.imaging.decode import shrink_factor
from coverproxy.imaging.render import render

LIMITS = Config().limits
SIZES = Config().sizes
PLAIN = ["jpeg-444", "jpeg-420", "jpeg-progressive", "jpeg-restarts", "jpeg-grey"]


def short(body: bytes, factor: int = 1) -> Any:
    """The pixels that the short way gives, if it takes this JPEG."""
    known = jpeg.plain(body)
    array = turbo.decoded(body, known, factor) if known else None
    if known is None or array is None:
        return None
    return array[: known.height // factor, : known.width // factor, :3].copy()


def long(body: bytes, factor: int = 1) -> np.ndarray:
    """The pixels that libvips gives, grey as three equal bands."""
    image: Any = vips.open_original(body, Loader.JPEG, shrink=factor)
    pixels = np.atleast_3d(image.numpy())
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_both_ways_give_the_same_pixels(kind: str, factor: int) -> None:
    """However a plain JPEG is coded and shrunk while decoding, libvips would have given just these pixels."""
    assert np.array_equal(short(images.drawn(kind), factor), long(images.drawn(kind), factor))


def test_a_large_picture_in_many_scans_takes_the_short_way_too() -> None:
    """A publisher's progressive picture of 4 megapixels is decoded in half the time, to the same pixels."""
    body = images.jpeg(images.cover(1700, 2400), interlace=True)

    assert jpeg.has_several_scans(body)
    assert np.array_equal(short(body, 2), long(body, 2))


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(16, 500),
    height=st.integers(16, 500),
    factor=st.sampled_from([1, 2, 4, 8]),
    options=st.fixed_dictionaries(
        {"Q": st.integers(20, 98), "subsample_mode": st.sampled_from(["on", "off"])}
    ),
)
def test_they_do_so_for_every_side(width: int, height: int, factor: int, options: dict[str, object]) -> None:
    """Sides that the factor does not divide are cut like libvips cuts them."""
    body = images.jpeg(images.cover(width, height), **options)
    assert np.array_equal(short(body, factor), long(body, factor))


def test_drawn_covers_give_the_same_in_every_size(drawn: Path) -> None:
    """Each of the demo's JPEGs, shrunk as its three sizes need it, is the same both ways."""
    bodies = [path.read_bytes() for path in sorted(drawn.glob("*.jpg"))]
    for body in bodies:
        header = vips.open_original(body, Loader.JPEG)
        for size in SIZES.values():
            factor = shrink_factor((header.width, header.height), size)
            assert np.array_equal(short(body, factor), long(body, factor))
    assert len(bodies) > 5


def test_a_profile_comes_along() -> None:
    """The ICC profile of a plain JPEG is known, and a grey one with a profile is left to libvips."""
    body = images.jpeg(images.with_profile(images.cover(), "p3"))
    known = jpeg.plain(body)
    assert known
    assert known.profile == vips.open_original(body, Loader.JPEG).get("icc-profile-data")
    grey = images.jpeg(images.with_profile(images.grey(images.cover()), "srgb"))
    assert b"ICC_PROFILE" not in grey or jpeg.plain(grey) is None


@pytest.mark.parametrize("kind", ["jpeg-cmyk-profile", "jpeg-cmyk-bare"])
def test_other_colours_are_left_to_libvips(kind: str) -> None:
    """CMYK is not plain."""
    assert short(images.drawn(kind)) is None


@pytest.mark.parametrize("orientation", range(2, 9))
def test_what_lies_on_its_side_is_left_to_libvips(orientation: int) -> None:
    """A picture that EXIF turns or mirrors is not plain; one that stands is."""
    assert short(images.jpeg(images.turned(images.corners(), orientation))) is None
    assert short(images.jpeg(images.turned(images.corners(), 1))) is not None


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("factor", [1, 8])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_half_a_jpeg_is_no_picture(kind: str, factor: int, end: bytes) -> None:
    """A cut JPEG, with or without an end sewn on, comes back to libvips for its verdict."""
    whole = images.drawn(kind)
    half = len(whole) - len(images.scan(whole)) // 2
    assert short(whole[:half] + end, factor) is None


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.02, 0.97), factor=st.sampled_from([1, 2, 4, 8]))
def test_damage_is_no_picture(share: float, factor: int) -> None:
    """Where libjpeg only warns of corrupt data and paints grey, nothing is taken."""
    assert short(images.broken(images.drawn("jpeg-444"), share), factor) is None


@pytest.mark.parametrize("odd", ODD)
def test_what_bends_the_standard_is_left_or_the_same(odd: Callable[[bytes], bytes]) -> None:
    """What the decoder warns of is left to libvips; what it does not mind is as if it had been mended."""
    body = odd(images.jpeg(images.cover(), keep="none"))
    pixels = short(body)
    assert pixels is None or np.array_equal(pixels, long(jpeg_repair.repaired(body)))


def test_too_many_pixels_at_once_are_left_to_libvips() -> None:
    """Those that would take much memory; a comment that looks like many scans changes nothing."""
    passes = images.jpeg(images.cover(), keep="none", interlace=True)
    comment = b"\xff\xfe\xff\xfe" + b"\xff\xda" * 32_766
    assert np.array_equal(short(passes[:2] + comment + passes[2:]), short(passes))
    large = images.jpeg(images.solid(images.RED, 2000, 4100))
    assert short(large) is None
    assert short(large, 2) is not None


def by_libvips(image: Any, wanted: Jpeg) -> Any:
    """*image* as libvips encodes it at these settings."""
    chroma = "off" if wanted.chroma == "4:4:4" else "on"
    return image.jpegsave_buffer(
        Q=wanted.quality, quant_table=wanted.quant_table, subsample_mode=chroma, keep="none",
        optimize_coding=wanted.optimize,
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    quality=st.integers(1, 90),
    quant_table=st.integers(0, 8),
    chroma=st.sampled_from(["4:4:4", "4:2:0"]),
    optimize=st.booleans(),
)
def test_both_encoders_give_the_same_picture(
    width: int, height: int, quality: int, quant_table: int, chroma: Literal["4:4:4", "4:2:0"], optimize: bool
) -> None:
    """At every quality up to 90, by every table, for every side: both JPEGs decode to the same pixels."""
    wanted = Jpeg(quality=quality, quant_table=quant_table, chroma=chroma, optimize=optimize)
    image = images.cover(width, height)
    ours = turbo.encoded(vips.pixels(image), (width, height), wanted)
    theirs = by_libvips(image, wanted)
    assert ours is not None
    assert np.array_equal(long(ours), long(theirs))
    assert abs(len(ours) - len(theirs)) < 200  # JFIF's segment, and tables that are shared or not


def test_more_detail_than_there_is_room_for_is_left_to_libvips() -> None:
    """Noise at the highest quality overflows the short way's buffer: the derivative is made all the same."""
    noise = vips.library().Image.gaussnoise(400, 600, mean=128, sigma=90, seed=1).cast("uchar")
    noise = noise.bandjoin([noise.rot180(), noise.fliphor()]).copy(interpretation="srgb")
    size = Size(width=200, height=300, jpeg=Jpeg(quality=100, optimize=True))
    small = noise.resize(0.5)
    assert turbo.encoded(vips.pixels(small), (200, 300), size.jpeg) is None
    made = render(images.jpeg(noise, Q=100), size, Format.JPEG, LIMITS)
    assert (made.size, long(made.body).shape) == ((200, 300), (300, 200, 3))


def test_trellis_makes_fewer_bytes() -> None:
    """What only libvips' encoder can do is left to it."""
    body = images.jpeg(images.cover(400, 600))
    lengths = [
        len(render(body, Size(width=200, height=300, jpeg=Jpeg(trellis=each)), Format.JPEG, LIMITS).body)
        for each in (False, True)
    ]
    assert lengths[1] < lengths[0]


@settings(max_examples=40, deadline=None)
@given(width=st.integers(1, 90), height=st.integers(1, 90))
def test_pixels_are_taken_to_the_last_line(width: int, height: int) -> None:
    """Strip by strip gives what libvips gives at once."""
    image = images.cover(width, height).resize(0.7) if min(width, height) > 3 else images.cover(width, height)
    assert vips.pixels(image) == image.write_to_memory()
