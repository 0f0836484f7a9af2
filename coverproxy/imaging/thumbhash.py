"""ThumbHash: a blurred likeness of a picture in about 25 bytes, shown while the picture loads."""

from collections.abc import Sequence
from math import cos, floor, pi

_FLAT = 1e-9
"""A channel that varies less than this is flat; its terms are rounding noise."""


def encode(pixels: Sequence[int], width: int, height: int) -> bytes:
    """Return the hash of an opaque picture; *pixels* are its rows of R, G, B, each 0 to 255.

    The published algorithm without its alpha channel (Evan Wallace, github.com/evanw/thumbhash, MIT), summing
    by rows first. Written here because the existing packages are unmaintained since 2023 or a month old. Time
    grows with the pixels: 2 ms for 32x48, and more pixels do not improve the hash.
    """
    red, green, blue = ([value / 255 for value in pixels[band : 3 * width * height : 3]] for band in range(3))
    luminance = [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)]
    yellow_blue = [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)]
    red_green = [r - g for r, g in zip(red, green, strict=True)]
    longest = max(width, height)
    across, down = (max(1, _round(7 * side / longest)) for side in (width, height))
    l_dc, l_scale, l_ac = _channel(luminance, width, height, max(3, across), max(3, down))
    p_dc, p_scale, p_ac = _channel(yellow_blue, width, height, 3, 3)
    q_dc, q_scale, q_ac = _channel(red_green, width, height, 3, 3)
    first = (
        _round(63 * l_dc)
        | _round(31.5 + 31.5 * p_dc) << 6
        | _round(31.5 + 31.5 * q_dc) << 12
        | _round(31 * l_scale) << 18
    )
    is_wide = width > height
    second = (
        (down if is_wide else across) | _round(63 * p_scale) << 3 | _round(63 * q_scale) << 9 | is_wide << 15
    )
    return first.to_bytes(3, "little") + second.to_bytes(2, "little") + _packed(l_ac + p_ac + q_ac)


def _channel(
    values: list[float], width: int, height: int, across: int, down: int
) -> tuple[float, float, list[float]]:
    """Return a channel's mean, its largest cosine term, and all terms as shares of that: 0 to 1.

    The terms form a triangle: those of *across* by *down* that are coarse both ways.
    """
    columns = _cosines(width, across)
    lines = [values[start : start + width] for start in range(0, width * height, width)]
    rows = [[_dot(line, column) for line in lines] for column in columns]
    terms = [
        _dot(rows[x], wave) / (width * height)
        for y, wave in enumerate(_cosines(height, down))
        for x in range(across)
        if x * down < across * (down - y)
    ]
    mean, rest = terms[0], terms[1:]
    scale = max(map(abs, rest))
    if scale < _FLAT:
        return mean, 0.0, [0.0] * len(rest)
    return mean, scale, [0.5 + 0.5 / scale * term for term in rest]


def _cosines(length: int, count: int) -> list[list[float]]:
    return [[cos(pi / length * wave * (at + 0.5)) for at in range(length)] for wave in range(count)]


def _dot(ones: list[float], others: list[float]) -> float:
    return sum(one * other for one, other in zip(ones, others, strict=True))


def _packed(shares: list[float]) -> bytes:
    """Pack numbers from 0 to 1 into four bits each, low nibble first."""
    nibbles = [_round(15 * share) for share in shares]
    nibbles += [0] * (len(nibbles) % 2)
    return bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def _round(value: float) -> int:
    """Round half up, as JavaScript does; Python's round() rounds half to even."""
    return floor(value + 0.5)
