"""Decode: read an original's header, check it against the limits, then read its pixels."""

from dataclasses import dataclass
from typing import Any

from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Loader
from coverproxy.imaging import corrections, icc, jpeg, memory, scale, turbo, vips
from coverproxy.imaging.image import Image, Measures
from coverproxy.imaging.settings import Box, LimitSettings

JUDGEMENT = 1
"""Revision of which originals can be shown. Raise it when some that were refused can be shown: faults of
lower revisions are then judged anew, once."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of an original says.

    `sides`: (width, height) in px as a viewer sees it. `plain`: set for a JPEG that libjpeg-turbo may decode
    alone; otherwise `image` is its libvips image, opened with `options`.
    """

    body: bytes
    loader: Loader
    sides: tuple[int, int]
    plain: jpeg.Plain | None
    image: Image | None
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pixels:
    """A picture in memory, in sRGB: an array (rows, columns, 4), valid within `sides` (width, height)."""

    array: Any
    sides: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Picture:
    """A libvips image to be scaled. `is_plain`: 8-bit without alpha, upright, and in memory already."""

    image: Image
    is_plain: bool


def header(body: bytes, loader: Loader, limits: LimitSettings, **options: Any) -> Header:
    """Read the header; *options* are libvips' own. Raises UnusableOriginal: "header" or "limit"."""
    plain = jpeg.plain(body) if loader is Loader.JPEG else None
    if plain is not None:
        _check(plain, body, loader, limits)
        return Header(body, loader, (plain.width, plain.height), plain, None, options)
    image = vips.open_original(body, loader, **options)
    _check(image, body, loader, limits)
    corrected = corrections.corrected(image, body, loader)
    return Header(body, loader, vips.upright(image), None, corrected, options)


def _check(image: Measures, body: bytes, loader: Loader, limits: LimitSettings) -> None:
    if image.width * image.height > limits.max_pixels:
        raise UnusableOriginal("limit", f"{image.width}x{image.height} px")
    if (why := memory.refusal(image, body, loader, limits.max_decoded_bytes)) is not None:
        raise UnusableOriginal("limit", why)


def factor_for(known: Header, size: Box) -> int:
    """Return the factor by which the decoder may shrink the picture for *size*: only that of JPEG does."""
    return shrink_factor(known.sides, size) if known.loader is Loader.JPEG else 1


def picture(known: Header, factor: int) -> Pixels | Picture:
    """Return the picture, decoded already or lazy; its decoder shrinks it by *factor*, see factor_for().

    Raises libvips' Error, and UnusableOriginal("header").
    """
    if known.plain is not None:
        array = turbo.decoded(known.body, known.plain, factor)
        if array is not None:
            return _in_memory(array, known.plain, factor)
    if known.image is not None and factor == 1:
        return Picture(known.image, is_plain=False)
    shrink = {"shrink": factor} if factor > 1 else {}
    image = vips.open_original(known.body, known.loader, **shrink, **known.options)
    return Picture(corrections.corrected(image, known.body, known.loader), is_plain=False)


def _in_memory(array: Any, plain: jpeg.Plain, factor: int) -> Pixels | Picture:
    """Return the pixels, or a libvips image if an ICC profile must be applied."""
    # this decoder rounds a shrunk side up, libvips down; we follow libvips
    sides = plain.width // factor, plain.height // factor
    if plain.profile is None or icc.is_srgb(plain.profile):
        return Pixels(array, sides)
    vips_library = vips.library()
    image = scale.as_image(array, sides).extract_band(0, n=3).copy(interpretation="srgb")
    image.set_type(vips_library.GValue.blob_type, "icc-profile-data", plain.profile)
    return Picture(image, is_plain=True)


def shrink_factor(sides: tuple[int, int], size: Box) -> int:
    """Return the factor (1, 2, 4, 8) by which the JPEG decoder itself may shrink.

    The result stays at least `decode_scale` times the target: the decoder shrinks with a box filter, and a
    cover decoded at exactly its target size loses a third of its SSIMULACRA2 (bench/quality.py).
    """
    width, height = sides
    spare = max(width / size.width, height / size.height) / size.decode_scale
    return next((factor for factor in (8, 4, 2) if spare >= factor), 1)
