"""How much of a picture's size is real: the detail that its pixels carry, and the plain border around it."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Loader, sniff
from coverproxy.imaging import corrections, memory, vips
from coverproxy.imaging.image import Image
from coverproxy.imaging.settings import LimitSettings

LINES = 192
"""Rows, and as many columns, that are looked at: more say the same."""

BANDS = 20
"""Parts of the frequencies up to half a cycle a pixel."""

LEAST = 0.25
"""What a band must have of the strongest bands to count as detail: bench/sharpness.py compares values."""

SHORTEST = 64
"""Pixels of a line that say anything of its frequencies; shorter ones count as sharp."""

MOST_SIDE = 4096
"""Larger JPEGs are shrunk by their decoder first: no derivative shows what is lost."""

_GRAIN, _STRONG_GRAIN = 1.5, 40.0
"""Most power of a band that may be grain, in squares of grey levels: a deviation of 3, and of 10, after JPEG.
Strong grain has to be flatter than fine print is."""

_EVEN = 1.6
"""How many times as strong as its neighbour a band of nothing but grain may be; if the grain is strong, as
the weakest of the highest third."""

_ABOVE = 2.0
"""How many times that of the grain a band's power must be to show something."""

_RANGE = 24
_NEAR = 16
_EDGE = 4


@dataclass(frozen=True, slots=True)
class Measure:
    """`detail`: the share of its pixels along a side that say something. `content`: the share of its area
    that is not plain border. Both 0 to 1, in steps of a hundredth."""

    detail: float
    content: float


def library() -> Any:
    """Load numpy, with its transforms: a render process cannot once it is confined."""
    import numpy
    import numpy.fft

    return numpy


def measure(body: bytes, limits: LimitSettings) -> Measure:
    """Decode *body* and measure it. Blocks. Raises UnusableOriginal("type", "header", "limit", "decode")."""
    loader = sniff(body[:32])
    if loader is None:
        raise UnusableOriginal("type", "not a picture")
    image = vips.open_original(body, loader, **_lenient(loader))
    if (why := memory.refusal(image, body, loader, limits.max_decoded_bytes)) is not None:
        raise UnusableOriginal("limit", why)
    if (shrink := shrink_factor(loader, (image.width, image.height))) > 1:
        image = vips.open_original(body, loader, shrink=shrink, **_lenient(loader))
    try:
        return of_picture(corrections.corrected(image, body, loader))
    except vips.library().Error as exc:
        raise UnusableOriginal("decode", vips.said(exc, loader)) from None


def shrink_factor(loader: Loader, sides: tuple[int, int]) -> int:
    """Return the factor by which the decoder may shrink a picture that is to be measured."""
    if loader is not Loader.JPEG:
        return 1
    return next((each for each in (1, 2, 4) if max(sides) <= MOST_SIDE * each), 8)


def of_picture(image: Image) -> Measure:
    """Decode a lazy image and measure it. Raises libvips' Error."""
    return of_light(light_of(image))


def _lenient(loader: Loader) -> dict[str, Any]:
    """Take damaged JPEGs as they are: whether one is shown is decided where it is rendered."""
    return {"fail_on": "error"} if loader is Loader.JPEG else {}


def light_of(image: Image) -> Any:
    """Return the luminance as an array (rows, columns) of bytes."""
    numpy = library()
    if image.hasalpha():
        image = image.flatten(background=255)
    grey = image.colourspace("b-w").extract_band(0)
    grey = grey.cast("uchar") if grey.format != "uchar" else grey
    return numpy.frombuffer(vips.pixels(grey), numpy.uint8).reshape(grey.height, grey.width)


def of_light(light: Any) -> Measure:
    """Measure an array (rows, columns) of luminance, 0 to 255.

    Edges have a spectrum whose amplitude falls with the frequency: multiplied by the frequency, that of a
    sharp picture is level up to half a cycle a pixel. What was scaled up, or is out of focus, breaks off
    before. Where it does is its true resolution. By rows and columns alone, as a whole transform of a large
    scan would cost a second.
    """
    across = _reach(light[_picked(light.shape[0])])
    down = _reach(light.T[_picked(light.shape[1])])
    return Measure(round(math.sqrt(across * down), 2), round(_content(light), 2))


def _picked(count: int) -> Any:
    """Choose at most LINES of *count* lines, evenly."""
    import numpy

    return numpy.linspace(0, count - 1, min(count, LINES)).astype(int)


def _reach(lines: Any) -> float:
    """Return the highest frequency with detail in equally long *lines*, as a share of half a cycle per px."""
    numpy = library()
    length = lines.shape[1]
    if length < SHORTEST:
        return 1.0
    level = lines.astype(numpy.float32)
    level = (level - level.mean(axis=1, keepdims=True)) * numpy.hanning(length).astype(numpy.float32)
    power = (numpy.abs(numpy.fft.rfft(level, axis=1)) ** 2).mean(axis=0)[1:] / length
    at = numpy.arange(1, power.size + 1) * 2 * BANDS // length
    # the mean of logarithms, as the grid of a JPEG's blocks stands out as single lines
    logs = numpy.log(power + 1e-6)
    banded = [float(numpy.exp(logs[at == band].mean())) for band in range(BANDS)]
    return _break(banded)


def _break(banded: list[float]) -> float:
    """Return the share of the bands below the last one that has LEAST of what the third strongest has."""
    floor = _noise(banded)
    levelled = [max(power - floor, 0.0) * (band + 0.5) ** 2 for band, power in enumerate(banded)]
    strong = max(sorted(levelled)[-3], max(levelled) / 3)  # of a strong blur one band is left
    paired = [(one + other) / 2 for one, other in zip(levelled, [*levelled[1:], levelled[-1]], strict=True)]
    reached = [band for band, power in enumerate(paired) if power >= LEAST * strong]
    return (reached[-1] + 1) / BANDS if reached and strong > 0 else 1.0


def _noise(banded: list[float]) -> float:
    """Return the power that grain has in each band; 0 where the highest show more than grain.

    Grain is weak, and about as strong in one frequency as in the next; edges are neither.
    """
    high = banded[-BANDS // 3 :]
    level = sum(high[-3:]) / 3
    is_even = all(max(pair) <= _EVEN * min(pair) for pair in pairwise(high))
    is_flat = max(high) <= _EVEN * min(high)
    is_grain = (is_even and level <= _GRAIN) or (is_flat and level <= _STRONG_GRAIN)
    return _ABOVE * level if is_grain else 0.0


def _content(light: Any) -> float:
    """Return the share of the area within borders of one plain tone, as scans on a lid and mock-ups have."""
    rows, columns = light.shape
    tone = float(light[:_EDGE, :_EDGE].mean())
    high = _inner(light, tone)
    wide = _inner(light.T, tone)
    share: float = (high / rows) * (wide / columns)
    return share if high and wide else 1.0


def _inner(light: Any, tone: float) -> int:
    """Count the rows between the first and the last that are not all of *tone*; 0: there are none."""
    numpy = library()
    least, most = light.min(axis=1).astype(int), light.max(axis=1).astype(int)
    is_plain = (most - least <= _RANGE) & (numpy.abs((most + least) / 2 - tone) <= _NEAR)
    drawn = numpy.nonzero(~is_plain)[0]
    return int(drawn[-1] - drawn[0] + 1) if drawn.size else 0
