"""How a picture looks at a glance: its hash is the published one, its colour is one that it has."""

import base64
from collections.abc import Callable

import images
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.config import Limits
from coverproxy.domain.formats import Format
from coverproxy.imaging import thumbhash
from coverproxy.imaging.preview import GLANCE, Preview, at, dominant
from coverproxy.imaging.render import render

Rule = Callable[[int, int], tuple[int, int, int]]


def noise(x: int, y: int) -> tuple[int, int, int]:
    return (x * 37 + y * 91) % 256, (x * 53 + y * 17) % 256, (x * x + y * 7) % 256


def hills(x: int, y: int) -> tuple[int, int, int]:
    return (x * x + 3 * y) % 200 + 20, (x * y + 5 * x) % 230, (y * y + 11 * x) % 251


def pixels(rule: Rule, width: int, height: int) -> bytes:
    return bytes(value for y in range(height) for x in range(width) for value in rule(x, y))


VECTORS = [
    (noise, 32, 48, "H/gBFQBUdXZWFTBzhphXdKyIjw8t"),
    (noise, 48, 32, "H/gBDYCGZVUDIzRVZnh2dpf/an9h"),
    (noise, 40, 40, "H/gBDwBWZoZDNEIBUZiZSUV4pcn7uwcJ"),
    (noise, 9, 48, "XvgJSQKHZweHl2mFeJj/dDs="),
    (noise, 100, 13, "H/gBCYAhEAVxNWR37p8mlvc="),
    (hills, 32, 48, "nBcGDQQCQjNCWFVoVmZmdmAF+l2F"),
    (hills, 48, 32, "nBcGDYIiAkVFVJNmdnZmdgNm+E+H"),
    (hills, 40, 40, "nRcGDwIiMEQ1NYdmZnl2Zmd2BjCj/1UI"),
    (hills, 9, 48, "WUcKIQhhYFl4hXZ2YJLJD7g="),
    (hills, 100, 13, "nAcGCYIlBSZ1ZoSHAJnzRVo="),
]
"""What rgbaToThumbHash of the reference (npm thumbhash 0.1.1) gives for these pixels, opaque."""


@pytest.mark.parametrize(("rule", "width", "height", "expected"), VECTORS)
def test_the_hash_is_the_published_one(rule: Rule, width: int, height: int, expected: str) -> None:
    """For tall, wide and square pictures the hash is, to the bit, what the reference gives."""
    got = thumbhash.encode(pixels(rule, width, height), width, height)

    assert base64.b64encode(got).decode() == expected


@given(st.integers(7, 30), st.integers(7, 30), st.tuples(*[st.integers(0, 255)] * 3))
def test_one_colour_has_no_noise(width: int, height: int, colour: tuple[int, int, int]) -> None:
    """A picture of one colour, of any size that a look is taken at, has a hash without any variation."""
    got = thumbhash.encode(bytes(colour) * (width * height), width, height)

    assert set(got[5:]) <= {0}


def test_the_colour_is_that_of_most_of_the_picture() -> None:
    """The dominant colour is what most pixels nearly have, not a mean that no pixel has."""
    sky, sand = bytes((20, 90, 200)), bytes((230, 210, 160))

    assert dominant(sky * 60 + sand * 40) == 0x145AC8
    assert dominant(sky * 40 + sand * 60) == 0xE6D2A0


def test_shades_of_a_colour_are_one() -> None:
    """Shades on both sides of a box's edge count together, and give their mean."""
    shades = b"".join(bytes((value, 100, 100)) for value in range(118, 139))

    assert dominant(shades * 3) >> 16 == pytest.approx(128, abs=6)


@given(st.binary(min_size=3, max_size=300).filter(lambda some: len(some) % 3 == 0))
def test_every_picture_has_a_colour(some: bytes) -> None:
    """Whatever the pixels, a colour comes out, and each of its bands is within theirs."""
    found = dominant(some)

    for band, shift in enumerate((16, 8, 0)):
        assert min(some[band::3]) <= found >> shift & 0xFF <= max(some[band::3])


@pytest.mark.parametrize("kind", ["jpeg", "png", "grey", "cmyk"])
def test_originals_of_all_kinds_have_a_look(kind: str) -> None:
    """A look is taken by the renderer's own way: grey, CMYK and wide pictures have one as well."""
    picture = images.solid((200, 40, 40), 120, 180)
    body = {
        "jpeg": lambda: images.jpeg(picture),
        "png": lambda: images.png(picture),
        "grey": lambda: images.jpeg(images.grey(picture)),
        "cmyk": lambda: images.jpeg(images.as_cmyk(picture)),
    }[kind]()
    look = at(render(body, GLANCE, Format.JPEG, Limits()).body)

    red, green, blue = look.colour >> 16, look.colour >> 8 & 0xFF, look.colour & 0xFF
    assert look.hex == f"#{red:02x}{green:02x}{blue:02x}"
    assert abs(green - blue) < 12
    assert (red - green > 100) == (kind != "grey")
    assert 15 < len(look.thumbhash) < 30


def test_a_look_is_a_value() -> None:
    """A colour is written as CSS has it, with its zeros."""
    assert Preview(0x0000FF, b"").hex == "#0000ff"
