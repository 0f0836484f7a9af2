"""Fits a scaled picture into its box exactly: padded in its own colour, or cropped a little."""

from dataclasses import dataclass

from coverproxy.imaging import vips
from coverproxy.imaging.image import Image
from coverproxy.imaging.preview import dominant
from coverproxy.imaging.settings import SizeSettings
from coverproxy.imaging.transform import FILLED, Raster, Sides, fitted_size

MAX_CUT = 0.15
"""Most of either side that cropping may remove. A picture of another shape is padded instead."""

_SAMPLED_PX = 4096
"""Most pixels that the padding's colour is chosen from."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How to frame a picture: the sides to scale it to, the box around, and whether that cuts something off.

    `box`: None if the scaled picture is all there is.
    """

    scaled: Sides
    box: Sides | None = None
    is_cut: bool = False


def frame(original: Sides, size: SizeSettings) -> Frame:
    """Decide how a picture of these sides is framed: never enlarged, never cropped beyond MAX_CUT."""
    fitted = fitted_size(original, size)
    if size.fit not in FILLED:
        return Frame(fitted)
    box = (size.width, size.height)
    scale = max(box[0] / original[0], box[1] / original[1])
    covering = max(round(original[0] * scale), box[0]), max(round(original[1] * scale), box[1])
    least_kept = min(box[0] / covering[0], box[1] / covering[1])
    if size.fit == "crop" and scale <= 1 and least_kept >= 1 - MAX_CUT:
        return Frame(covering, box, is_cut=True)
    return Frame(fitted, box)


def framed(raster: Raster, wanted: Frame) -> Raster:
    """Bring a scaled picture into its box. Raises libvips' Error."""
    if wanted.box is None or wanted.box == raster.sides:
        return raster
    width, height = wanted.box
    image = _image(raster)
    if wanted.is_cut:
        return Raster(wanted.box, vips.pixels(image.smartcrop(width, height, interesting="attention")))
    left, top = (width - image.width) // 2, (height - image.height) // 2
    colour = _colour(image)
    padded = image.embed(left, top, width, height, extend="background", background=colour)
    return Raster(wanted.box, vips.pixels(padded))


def _image(raster: Raster) -> Image:
    bands = len(raster.mode)
    image = vips.from_memory(raster.pixels, *raster.sides, bands)
    image = image.copy(interpretation="srgb")
    return image.extract_band(0, n=3) if bands > 3 else image


def _colour(image: Image) -> list[int]:
    """Return the dominant colour of the picture as R, G, B."""
    step = max(int((image.width * image.height / _SAMPLED_PX) ** 0.5), 1)
    colour = dominant(vips.pixels(image.subsample(step, step)))
    return [colour >> 16, colour >> 8 & 255, colour & 255]
