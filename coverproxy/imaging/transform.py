"""Transform: a picture scaled to its target, upright, in 8-bit sRGB on white."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from coverproxy.config import Size
from coverproxy.imaging import icc, scale, vips
from coverproxy.imaging.decode import Picture, Pixels


@dataclass(frozen=True, slots=True)
class Raster:
    """A picture ready to be encoded: (width, height) in px, and its pixels line by line.

    `mode`: "RGB", three bytes a pixel, or "RGBX", where a fourth has no meaning.
    """

    sides: tuple[int, int]
    pixels: bytes
    mode: Literal["RGB", "RGBX"] = "RGB"


def target_size(original: tuple[int, int], size: Size) -> tuple[int, int]:
    """Return the largest (width, height) in px of the original's shape that fits the box and itself."""
    width, height = original
    scale = min(1.0, size.width / width, size.height / height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def fit(picture: Pixels | Picture, target: tuple[int, int], hold: Callable[..., None]) -> Raster:
    """Scale to *target*, upright, in sRGB. *hold* is called with the libvips images to be computed.

    Raises libvips' Error.
    """
    if isinstance(picture, Pixels):
        hold()
        return Raster(target, scale.scaled(picture.array, picture.sides, target), "RGBX")
    fitted = _flat(_fitted(picture, target))
    hold(picture.image, fitted)
    return Raster((fitted.width, fitted.height), vips.pixels(fitted))


def _fitted(picture: Picture, target: tuple[int, int]) -> Any:
    """Scale with lanczos3, then go to sRGB through the ICC profile.

    In this order the profile is applied to the few pixels that are left: the other way round it took 12 of a
    medium cover's 27 ms. CMYK has no scale of its own to rest on: libvips takes it to sRGB before.
    """
    image = picture.image
    # A decoder that shrank has rounded its sides, and must not decide the picture's shape: so both scales. A
    # mere resize gives a plain picture the same pixels, without a tenth of a cover's time for the caches and
    # turns that a thumbnail has by the way.
    if picture.is_plain:
        fitted = image.resize(target[0] / image.width, vscale=target[1] / image.height)
    else:
        fitted = image.thumbnail_image(target[0], height=target[1], size="force")
    return _to_srgb(fitted) if is_foreign(image) else fitted


def is_foreign(image: Any) -> bool:
    """Say whether an ICC profile brings other colours than sRGB."""
    if image.get_typeof("icc-profile-data") == 0 or image.interpretation == "cmyk":
        return False
    return not icc.is_srgb(image.get("icc-profile-data"))


def _to_srgb(image: Any) -> Any:
    try:
        return image.icc_transform("srgb", embedded=True, intent="relative")
    except vips.library().Error:  # a damaged profile costs the exact colour, not the cover
        return image


def _flat(image: Any) -> Any:
    """Lay an alpha channel onto white, and bring grey, 16-bit and the like to 8-bit sRGB."""
    if image.interpretation != "srgb":
        image = image.colourspace("srgb")
    if image.hasalpha():
        image = image.flatten(background=255)
    if image.bands > 3:  # a derivative never has a fourth band, whatever an original calls it
        image = image.extract_band(0, n=3)
    return image.cast("uchar") if image.format != "uchar" else image
