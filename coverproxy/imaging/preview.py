"""How a picture looks at a glance: its dominant colour, and a likeness for while it loads."""

from collections import Counter
from dataclasses import dataclass

from coverproxy.config import Jpeg, Size
from coverproxy.domain.formats import Loader
from coverproxy.imaging import thumbhash, vips

GLANCE = Size(width=100, height=100, decode_scale=1.0, jpeg=Jpeg(quality=90, quant_table=0))
"""The JPEG that a look is taken at, of the renderer's usual making: twice the pixels that are looked at."""

_NEAR = 48 * 48
"""Colours are one to the eye, roughly, within this distance squared in R, G, B."""

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
    """Look at a JPEG in the size GLANCE. Blocks for some milliseconds."""
    image = vips.open_original(glance, Loader.JPEG).shrink(2, 2)
    pixels = vips.pixels(image)
    return Preview(dominant(pixels), thumbhash.encode(pixels, image.width, image.height))


def dominant(pixels: bytes) -> int:
    """Return the colour (0xRRGGBB) that most of the picture has; *pixels* are R, G, B, one after the other.

    The fullest of 512 boxes says around where; the mean of all that is near, whatever box it fell into,
    says what. The mean of the whole picture would be a colour that no part of it has.
    """
    triples = list(zip(pixels[::3], pixels[1::3], pixels[2::3], strict=True))
    boxes = Counter((red >> 5, green >> 5, blue >> 5) for red, green, blue in triples)
    fullest = boxes.most_common(1)[0][0]
    centre = _mean([each for each in triples if (each[0] >> 5, each[1] >> 5, each[2] >> 5) == fullest])
    red, green, blue = _mean([each for each in triples if _distance(each, centre) <= _NEAR] or [centre])
    return red << 16 | green << 8 | blue


def _mean(colours: list[Pixel]) -> Pixel:
    red, green, blue = (round(sum(values) / len(colours)) for values in zip(*colours, strict=True))
    return red, green, blue


def _distance(one: Pixel, other: Pixel) -> int:
    return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2
