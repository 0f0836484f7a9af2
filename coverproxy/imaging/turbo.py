"""Plain JPEGs, decoded and encoded by libjpeg-turbo straight from and to memory."""

import functools
import io
from typing import Any

from coverproxy.config import Jpeg
from coverproxy.imaging import jpeg, vips

_MOST_WORK = 32_000_000
"""Pixels times scans: a quarter of a second or so. More goes to libvips, which can be stopped on its way."""

_MOST_PIXELS = 8_000_000
"""Decoded: 24 MB of memory. Beyond, libvips keeps no more than a strip."""


def library() -> Any:
    """Load simplejpeg and Pillow; the first call takes some 100 ms, as it loads numpy. So no import does."""
    import PIL.JpegImagePlugin  # noqa: F401 - for encoded(), which else imports it with the first cover
    import simplejpeg

    return simplejpeg


def decoded(body: bytes, header: Any, factor: int) -> Any | None:
    """Return the whole picture of the JPEG *body* in memory, each side divided by *factor* (1, 2, 4 or 8).

    *header*: its libvips image, nothing of it decoded yet. libvips takes the same pixels out of its own
    libjpeg in strips and through a thread of its own, which takes up to a fifth of a cover's time longer.

    None where it is not plain (CMYK, lying on its side, any frame but 8-bit SOF0 to SOF2) or not sound, by
    any warning, as for libvips. Then libvips has the last word: there is one judge of what is damaged.
    """
    if not (_is_plain(body, header) and _is_small(body, header, factor)):
        return None
    simplejpeg = library()
    # a shrunk side is rounded up here and down by libvips, whose picture is meant to the pixel
    whole = {"min_width": -(-header.width // factor), "min_height": -(-header.height // factor)}
    width, height = header.width // factor, header.height // factor
    try:
        pixels = simplejpeg.decode_jpeg(body, "GRAY" if header.bands == 1 else "RGB", **whole)[
            :height, :width
        ]
    except ValueError:
        return None
    return _image(pixels if pixels.flags.c_contiguous else pixels.copy(), header)


def _is_plain(body: bytes, header: Any) -> bool:
    """Say whether a JPEG is 8-bit grey or colour, as it lies, and of a frame that simplejpeg may decode.

    simplejpeg allocates the size asked for. libjpeg-turbo before 3.1.4 decodes a lossless frame unscaled into
    it, beyond its end. So the file itself says which frame it has, and what is not known is not tried.
    """
    frame = jpeg.frame(body)
    if frame is None or not frame.is_plain:
        return False
    is_declared = (frame.width, frame.height, frame.components) == (header.width, header.height, header.bands)
    is_upright = header.get_typeof("orientation") == 0 or header.get("orientation") == 1
    is_usual = header.interpretation in ("srgb", "b-w") and header.format == "uchar"
    return is_declared and is_upright and is_usual


def _is_small(body: bytes, header: Any, factor: int) -> bool:
    pixels = header.width * header.height
    scans = body.count(b"\xff\xda")  # a few too many where a comment holds these bytes
    return bool(pixels * scans <= _MOST_WORK and pixels <= _MOST_PIXELS * factor * factor)


def _image(pixels: Any, header: Any) -> Any:
    pyvips = vips.library()
    height, width, bands = pixels.shape
    image = pyvips.Image.new_from_memory(pixels, width, height, bands, "uchar")
    image = image.copy(interpretation=header.interpretation)
    if header.get_typeof("icc-profile-data"):
        profile = header.get("icc-profile-data")
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


def encoded(pixels: bytes, size: tuple[int, int], wanted: Jpeg) -> bytes | None:
    """Encode 8-bit RGB *pixels* of *size* (width, height); takes no notice of `wanted.trellis`.

    By Pillow, whose encoder is libjpeg-turbo's: libvips, whose encoder is mozjpeg, takes more than twice as
    long for the same coefficients, with a thread of its own. simplejpeg is faster still, and takes no tables.
    None where the picture has more detail than Pillow has room for, which is some two bytes a pixel.
    """
    from PIL import Image

    image = Image.frombuffer("RGB", size, pixels, "raw", "RGB", 0, 1)
    buffer = io.BytesIO()
    try:
        image.save(
            buffer, "JPEG", qtables=_tables(wanted.quality, wanted.quant_table), optimize=True,
            subsampling=0 if wanted.chroma == "4:4:4" else 2,
        )  # fmt: skip
    except OSError:
        return None
    return buffer.getvalue()


@functools.lru_cache(maxsize=64)
def _tables(quality: int, quant_table: int) -> dict[int, list[int]]:
    """Return what libvips divides by at these settings, out of a JPEG that it makes."""
    from PIL.JpegImagePlugin import JpegImageFile

    image = vips.library().Image.black(16, 16, bands=3).copy(interpretation="srgb")
    sample = image.jpegsave_buffer(Q=quality, quant_table=quant_table, subsample_mode="off", keep="none")
    with JpegImageFile(io.BytesIO(sample)) as opened:
        return {at: list(table) for at, table in opened.quantization.items()}
