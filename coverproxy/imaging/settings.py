"""The settings that rendering reads, and the plain values in which they go to a render process.

The config's own classes fit these Protocols too. They do not go to a render process: loading them takes
longer than all the rest of its start, and a crash, a hang or a bomb costs one start each.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

Chroma = Literal["4:4:4", "4:2:0"]
Fit = Literal["fit", "pad", "crop", "full"]


class JpegSettings(Protocol):
    """How JPEGs are encoded."""

    @property
    def quality(self) -> int: ...
    @property
    def chroma(self) -> Chroma: ...
    @property
    def quant_table(self) -> int: ...
    @property
    def trellis(self) -> bool: ...
    @property
    def optimize(self) -> bool: ...


class WebpSettings(Protocol):
    """How WebPs are encoded."""

    @property
    def quality(self) -> int: ...
    @property
    def effort(self) -> int: ...
    @property
    def smart_subsample(self) -> bool: ...


class AvifSettings(Protocol):
    """How AVIFs are encoded."""

    @property
    def quality(self) -> int: ...
    @property
    def effort(self) -> int: ...
    @property
    def chroma(self) -> Chroma: ...


class Box(Protocol):
    """Sides in px, and how many times larger the picture is decoded."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def decode_scale(self) -> float: ...


class SizeSettings(Box, Protocol):
    """A box, how pictures are fitted into it, and how they are encoded."""

    @property
    def fit(self) -> Fit: ...
    @property
    def jpeg(self) -> JpegSettings: ...
    @property
    def webp(self) -> WebpSettings: ...
    @property
    def avif(self) -> AvifSettings: ...


class LimitSettings(Protocol):
    """Limits on originals that decoding obeys."""

    @property
    def max_pixels(self) -> int: ...
    @property
    def max_decoded_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class JpegValues:
    """JpegSettings as a value."""

    quality: int = 90
    chroma: Chroma = "4:4:4"
    quant_table: int = 0
    trellis: bool = False
    optimize: bool = False


@dataclass(frozen=True, slots=True)
class WebpValues:
    """WebpSettings as a value."""

    quality: int = 86
    effort: int = 2
    smart_subsample: bool = True


@dataclass(frozen=True, slots=True)
class AvifValues:
    """AvifSettings as a value."""

    quality: int = 62
    effort: int = 4
    chroma: Chroma = "4:4:4"


@dataclass(frozen=True, slots=True)
class BoxValues:
    """Box as a value."""

    width: int
    height: int
    decode_scale: float


@dataclass(frozen=True, slots=True)
class SizeValues:
    """SizeSettings as a value."""

    width: int
    height: int
    decode_scale: float = 2.0
    fit: Fit = "fit"
    jpeg: JpegValues = JpegValues()
    webp: WebpValues = WebpValues()
    avif: AvifValues = AvifValues()


@dataclass(frozen=True, slots=True)
class LimitValues:
    """LimitSettings as a value."""

    max_pixels: int
    max_decoded_bytes: int


def size_values(size: SizeSettings) -> SizeValues:
    """Return the settings of a size as plain values."""
    jpeg, webp, avif = size.jpeg, size.webp, size.avif
    return SizeValues(
        size.width, size.height, size.decode_scale, size.fit,
        JpegValues(jpeg.quality, jpeg.chroma, jpeg.quant_table, jpeg.trellis, jpeg.optimize),
        WebpValues(webp.quality, webp.effort, webp.smart_subsample),
        AvifValues(avif.quality, avif.effort, avif.chroma),
    )  # fmt: skip


def limit_values(limits: LimitSettings) -> LimitValues:
    """Return the limits as plain values."""
    return LimitValues(limits.max_pixels, limits.max_decoded_bytes)
