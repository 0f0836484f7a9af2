"""What pictures show is told from how many pixels they have."""

from typing import Any

import images
import pytest
from decoders import decoder

from coverproxy.config import Limits, Size
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.imaging import vips


def detail(picture: object) -> float:
    """What a render process measures of it."""
    return decoder().detail(images.jpeg(picture, Q=90), Limits()).detail


def test_blur_and_scaling_up_are_told_from_detail() -> None:
    """A sharp cover shows all of its pixels; a blurred one, and one of half the size, show about theirs."""
    sharp = images.cover(600, 900)
    assert detail(sharp) >= 0.9
    assert detail(sharp.gaussblur(3)) <= 0.5
    assert detail(sharp.resize(0.5).resize(2, kernel="cubic")) <= 0.75


def test_border_is_told_from_content() -> None:
    """A cover in the middle of a white page has a share of its area; a plain picture counts whole."""
    page = images.cover(400, 600).embed(300, 300, 1000, 1200, extend="white")
    found = decoder().detail(images.jpeg(page), Limits())
    assert 0.1 < found.content < 0.3
    assert decoder().detail(images.jpeg(images.solid(images.RED, 200, 300)), Limits()).content == 1.0


@pytest.mark.parametrize("body", [images.png(images.cover(30, 40)), images.webp(images.grey(images.cover()))])
def test_little_and_grey_pictures_are_measured(body: bytes) -> None:
    """Whatever is a picture has a measure; lines too short to say anything count as sharp."""
    assert 0 < decoder().detail(body, Limits()).detail <= 1


@pytest.mark.parametrize(
    "kind", ["jpeg-420", "jpeg-progressive", "jpeg-grey", "png-rgb", "gif", "webp", "tiff", "avif"]
)
def test_what_is_verified_is_measured_by_the_same_decode(kind: str) -> None:
    """A verified picture has the measure that it has when it is measured alone."""
    body, limits = images.drawn(kind), Limits()
    found, alone = decoder().verify(body, Size(width=500, height=750), limits), decoder().detail(body, limits)
    assert found.detail == pytest.approx(alone.detail, abs=0.05)
    assert found.content == pytest.approx(alone.content, abs=0.01)


def test_a_turned_or_cmyk_picture_is_measured() -> None:
    """What needs another reader is measured as it is shown: sharp."""
    for picture in (images.with_orientation(images.cover(), 6), images.as_cmyk(images.cover())):
        assert decoder().verify(images.jpeg(picture), Size(width=500, height=750), Limits()).detail >= 0.8


def test_what_is_no_picture_is_told() -> None:
    """Bytes of no known type are refused as in a render."""
    with pytest.raises(UnusableOriginal):
        decoder().detail(b"plain text", Limits())


@pytest.mark.parametrize("sigma", [2, 3, 5, 8])
def test_grain_is_not_detail(sigma: float) -> None:
    """A blurred scan with grain shows little more than without; of a sharp one, grain hides its own."""
    sharp = images.cover(600, 900)
    blurred = sharp.gaussblur(3)
    assert detail(grainy(blurred, sigma)) <= detail(blurred) + 0.15
    assert detail(grainy(sharp, sigma)) >= (0.7 if sigma <= 3 else detail(grainy(blurred, sigma)))


def grainy(picture: Any, sigma: float) -> Any:
    """Add the grain of a scan: a deviation of so many grey levels, about a mean of 0."""
    noise = vips.library().Image.gaussnoise(picture.width, picture.height, mean=0, sigma=sigma, seed=1)
    return (picture + noise).cast("uchar").copy(interpretation=picture.interpretation)
