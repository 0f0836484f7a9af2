"""Transform: scale a picture to its target, upright, in 8-bit sRGB on white."""

from dataclasses import dataclass
from typing import Literal

from coverproxy.imaging import icc, scale, vips
from coverproxy.imaging.decode import Picture, Pixels
from coverproxy.imaging.image import Image
from coverproxy.imaging.settings import SizeSettings


@dataclass(frozen=True, slots=True)
class Raster:
    """A picture ready to encode: (width, height) in px, and its pixels line by line.

    `mode`: "RGB", three bytes per pixel, or "RGBX", whose fourth byte has no meaning.
    """

    sides: tuple[int, int]
    pixels: bytes
    mode: Literal["RGB", "RGBX"] = "RGB"


Sides = tuple[int, int]
"""(width, height) in px."""

FILLED = ("pad", "crop")
"""Ways to fit that fill the box."""


def target_size(original: Sides, size: SizeSettings) -> Sides:
    """Return the sides of a derivative: those of the picture in its box, or the box where it is filled."""
    return (size.width, size.height) if size.fit in FILLED else fitted_size(original, size)


def fitted_size(original: Sides, size: SizeSettings) -> Sides:
    """Return the largest (width, height) in px of the original's shape that fits the box; never enlarges."""
    width, height = original
    scale = min(1.0, size.width / width, size.height / height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def fit(picture: Pixels | Picture, target: tuple[int, int]) -> Raster:
    """Scale to *target*, upright, in sRGB. Raises libvips' Error."""
    if isinstance(picture, Pixels):
        return Raster(target, scale.scaled(picture.array, picture.sides, target), "RGBX")
    fitted = _flat(_fitted(picture, target))
    return Raster((fitted.width, fitted.height), vips.pixels(fitted))


def unscaled(picture: Pixels | Picture) -> Image:
    """Return the picture as a lazy libvips image of its own size, which fails where fit() would.

    Only CMYK is converted: the rest is so where it is read, and a wrong profile does not make fit() fail.
    """
    if isinstance(picture, Pixels):
        image = scale.as_image(picture.array, picture.sides)
        return image.extract_band(0, n=3).copy(interpretation="srgb")
    image = picture.image
    if image.interpretation != "cmyk":
        return image
    return image.thumbnail_image(image.width, height=image.height, size="force", no_rotate=True)


def _fitted(picture: Picture, target: tuple[int, int]) -> Image:
    """Scale with lanczos3, then convert to sRGB by the ICC profile.

    In this order the profile is applied to few pixels: the other order took 12 of a medium cover's 27 ms.
    CMYK cannot be scaled as such: libvips converts it to sRGB first.
    """
    image = picture.image
    # A decoder that shrank has rounded the sides, which must not change the picture's shape: so use both
    # scales. For a plain picture, resize gives the same pixels as thumbnail without its caches and rotations,
    # a tenth of a cover's time.
    if picture.is_plain:
        fitted = image.resize(target[0] / image.width, vscale=target[1] / image.height)
    else:
        fitted = image.thumbnail_image(target[0], height=target[1], size="force")
    return _to_srgb(fitted) if is_foreign(image) else fitted


def is_foreign(image: Image) -> bool:
    """Return whether an ICC profile describes colours other than sRGB."""
    if image.get_typeof("icc-profile-data") == 0 or image.interpretation == "cmyk":
        return False
    return not icc.is_srgb(image.get("icc-profile-data"))


def _to_srgb(image: Image) -> Image:
    try:
        return image.icc_transform("srgb", embedded=True, intent="relative")
    except vips.library().Error:  # a damaged profile costs the exact colour, not the cover
        return image


def _flat(image: Image) -> Image:
    """Flatten alpha onto white, and convert grey, 16-bit and others to 8-bit sRGB."""
    if image.interpretation != "srgb":
        image = image.colourspace("srgb")
    if image.hasalpha():
        image = image.flatten(background=255)
    if image.bands > 3:  # an original may declare a fourth band that is not alpha
        image = image.extract_band(0, n=3)
    return image.cast("uchar") if image.format != "uchar" else image
