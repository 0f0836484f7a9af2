"""Estimates from its header how much memory decoding an original takes."""

from coverproxy.domain.formats import Loader
from coverproxy.imaging import jpeg, png, tiff
from coverproxy.imaging.image import Measures

_SAMPLE_BYTES = {"uchar": 1, "char": 1, "ushort": 2, "short": 2, "uint": 4, "int": 4, "float": 4, "double": 8}

_COMPLEX_BYTES = 16

# Bytes of memory per byte of the decoded picture: the peak of a process that renders medium from 25
# megapixels of noise, rounded up. Streamed formats (baseline JPEGs, PNGs line by line) take a few lines;
# formats with several passes, or one strip, are in memory as a whole, sometimes twice.
_STREAMED = 0.5
_JPEG_IN_SCANS = 2.5
_PNG_INTERLACED = 2.0
_WHOLE = {Loader.WEBP: 3.4, Loader.GIF: 2.4}
_TIFF, _TIFF_IN_ONE_STRIP = 1.5, 3.0
_FEW_STRIPS = 4

_HEIF_PIXEL_BYTES = 20
"""Bytes per pixel of an AVIF, whatever its depth and chroma; 16 to 19 were measured."""


def needed(image: Measures, body: bytes, loader: Loader) -> int:
    """Estimate the most bytes that decoding takes; *image*: its header."""
    pixels = image.width * image.height
    if loader is Loader.HEIF:
        return int(pixels * _HEIF_PIXEL_BYTES)
    raw = pixels * image.bands * _SAMPLE_BYTES.get(image.format, _COMPLEX_BYTES)
    return int(raw * _factor(image, body, loader))


def _factor(image: Measures, body: bytes, loader: Loader) -> float:
    if loader is Loader.JPEG:
        known = image if isinstance(image, jpeg.Plain) else None
        in_scans = known.is_in_scans if known else jpeg.has_several_scans(body)
        return _JPEG_IN_SCANS if in_scans else _STREAMED
    if loader is Loader.PNG:
        return _PNG_INTERLACED if png.facts(body).is_interlaced else _STREAMED
    if loader is Loader.TIFF:
        page = tiff.picture(body)
        is_whole = not page.is_tiled and page.strip_rows * _FEW_STRIPS > image.height
        return _TIFF_IN_ONE_STRIP if is_whole else _TIFF
    return _WHOLE[loader]


def refusal(image: Measures, body: bytes, loader: Loader, most: int) -> str | None:
    """Return why decoding an original would exceed *most* bytes; None if it would not."""
    need = needed(image, body, loader)
    if need <= most:
        return None
    sides = f"{image.width}x{image.height} px in {image.bands} channels"
    return f"{sides} take about {need >> 20} MiB to decode as {loader.name}; the limit is {most >> 20} MiB"
