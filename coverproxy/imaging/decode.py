"""Decode: an original's header, held against the limits, and then its pixels."""

from dataclasses import dataclass
from typing import Any

from coverproxy.config import Limits, Size
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Loader
from coverproxy.imaging import corrections, memory, turbo, vips


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of an original before any pixel: its libvips image and how it was opened.

    `sides`: (width, height) in px as a viewer sees it.
    """

    body: bytes
    loader: Loader
    image: Any
    sides: tuple[int, int]
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """A libvips image to be scaled. `is_plain`: 8-bit without alpha, upright, and in memory already."""

    image: Any
    is_plain: bool


def header(body: bytes, loader: Loader, limits: Limits, **options: Any) -> Header:
    """Read the header; *options* are libvips' own. Raises UnusableOriginal: "header" or "limit"."""
    image = vips.open_original(body, loader, **options)
    if image.width * image.height > limits.max_pixels:
        raise UnusableOriginal("limit", f"{image.width}x{image.height} px")
    if (why := memory.refusal(image, body, loader, limits.max_decoded_bytes)) is not None:
        raise UnusableOriginal("limit", why)
    return Header(body, loader, corrections.corrected(image, body, loader), vips.upright(image), options)


def picture(known: Header, size: Size) -> Picture:
    """Return the picture, decoded or to be decoded as it is read. Raises libvips' Error."""
    if known.loader is not Loader.JPEG:
        return Picture(known.image, is_plain=False)
    shrink = shrink_factor(known.sides, size)
    plain = turbo.decoded(known.body, known.image, shrink)
    if plain is not None:
        return Picture(plain, is_plain=True)
    if shrink > 1:
        smaller = vips.open_original(known.body, known.loader, shrink=shrink, **known.options)
        return Picture(corrections.corrected(smaller, known.body, known.loader), is_plain=False)
    return Picture(known.image, is_plain=False)


def shrink_factor(sides: tuple[int, int], size: Size) -> int:
    """Return the factor (1, 2, 4, 8) by which the JPEG decoder itself may shrink.

    What is left stays `decode_scale` times the target: the decoder's own shrinking is a box filter, and a
    cover decoded right at its target loses a third of its SSIMULACRA2 (bench/quality.py).
    """
    width, height = sides
    scale = max(width / size.width, height / size.height) / size.decode_scale
    return next((factor for factor in (8, 4, 2) if scale >= factor), 1)
