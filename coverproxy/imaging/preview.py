"""A preview of a picture while it loads: its dominant colour, and a blurred likeness."""

from collections import Counter
from dataclasses import dataclass

from coverproxy.domain.formats import Loader
from coverproxy.imaging import thumbhash, vips
from coverproxy.imaging.settings import SizeValues

GLANCE = SizeValues(width=100, height=100, decode_scale=1.0)
"""The JPEG that a preview is taken from, made by the usual renderer at twice the pixels needed."""

_NEAR = 48 * 48
"""Squared distance in R, G, B within which two colours look alike, roughly."""

Pixel = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture's dominant colour as 0xRRGGBB, and its ThumbHash."""

    colour: int
    thumbhash: bytes

    @property
    def hex(self) -> str:
        """The colour as CSS writes it."""
        return f"#{self.colour:06x}"


def at(glance: bytes) -> Preview:
    """Return the preview of a JPEG in the size GLANCE. Blocks for some milliseconds."""
    image = vips.open_original(glance, Loader.JPEG).shrink(2, 2)
    pixels = vips.pixels(image)
    return Preview(dominant(pixels), thumbhash.encode(pixels, image.width, image.height))


def dominant(pixels: bytes) -> int:
    """Return the most common colour (0xRRGGBB); *pixels* are R, G, B, one after the other.

    The fullest of 512 boxes gives the neighbourhood; the mean of all pixels near it, in any box, gives the
    colour. The mean of the whole picture would be a colour that none of it has.
    """
    triples = list(zip(pixels[::3], pixels[1::3], pixels[2::3], strict=True))
    boxes = Counter((red >> 5, green >> 5, blue >> 5) for red, green, blue in triples)
    fullest = max(boxes, key=boxes.__getitem__)  # most_common() imports a module, which the sandbox forbids
    centre = _mean([each for each in triples if (each[0] >> 5, each[1] >> 5, each[2] >> 5) == fullest])
    red, green, blue = _mean([each for each in triples if _distance(each, centre) <= _NEAR] or [centre])
    return red << 16 | green << 8 | blue


def _mean(colours: list[Pixel]) -> Pixel:
    red, green, blue = (round(sum(values) / len(colours)) for values in zip(*colours, strict=True))
    return red, green, blue


def _distance(one: Pixel, other: Pixel) -> int:
    return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2
