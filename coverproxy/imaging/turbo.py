"""Plain JPEGs, decoded and encoded by libjpeg-turbo straight from and to memory."""

import functools
import io
import threading
from typing import Any

from coverproxy.config import Jpeg
from coverproxy.imaging import jpeg, vips

_MOST_WORK = 32_000_000
"""Pixels times scans: a quarter of a second or so. More goes to libvips, which can be stopped on its way."""

_MOST_PIXELS = 8_000_000
"""Decoded: 32 MB of memory. Beyond, libvips keeps no more than a strip."""

_KEPT_BYTES = 8_000_000
"""Of a thread's own: two megapixels, as most covers have. A fresh block is 500 page faults a cover."""

_local = threading.local()


def library() -> Any:
    """Load simplejpeg and Pillow; the first call takes some 100 ms, as it loads numpy. So no import does."""
    import PIL.JpegImagePlugin  # noqa: F401 - for encoded(), which else imports it with the first cover
    import simplejpeg

    return simplejpeg


def decoded(body: bytes, known: jpeg.Plain, factor: int) -> Any | None:
    """Return the whole picture as an array (rows, columns, 4), each side divided by *factor*.

    The four bytes are R, G, B and one without meaning. *factor*: 1, 2, 4 or 8; a side it does not divide is
    rounded up. The array lies in memory of this thread, and is good until its next call.

    None where it is not sound, by any warning, as for libvips. Then libvips has the last word: there is one
    judge of what is damaged. None, too, where it takes long, or much memory.
    """
    if not _is_small(body, known, factor):
        return None
    columns, rows = -(-known.width // factor), -(-known.height // factor)
    smaller = {"min_width": columns, "min_height": rows} if factor > 1 else {}
    try:
        return library().decode_jpeg(body, "RGBX", buffer=_buffer(columns * rows * 4), **smaller)
    except ValueError:
        return None


def _buffer(length: int) -> Any:
    """Return memory to decode into: simplejpeg checks that it is long enough."""
    import numpy

    if length > _KEPT_BYTES:
        return numpy.empty(length, numpy.uint8)
    if not hasattr(_local, "buffer"):
        _local.buffer = numpy.empty(_KEPT_BYTES, numpy.uint8)
    return _local.buffer


def _is_small(body: bytes, known: jpeg.Plain, factor: int) -> bool:
    pixels = known.width * known.height
    # a few too many where a comment holds these bytes
    scans = body.count(b"\xff\xda") if known.is_in_scans else 1
    return pixels * scans <= _MOST_WORK and pixels <= _MOST_PIXELS * factor * factor


def encoded(pixels: bytes, sides: tuple[int, int], wanted: Jpeg, mode: str = "RGB") -> bytes | None:
    """Encode 8-bit *pixels* of *sides* (width, height); takes no notice of `wanted.trellis`.

    *mode*: "RGB", or "RGBX" for four bytes a pixel. By Pillow, whose encoder is libjpeg-turbo's: libvips,
    whose encoder is mozjpeg, takes more than twice as long for the same coefficients, with a thread of its
    own. simplejpeg is faster still, and takes no tables. None where the picture has more detail than Pillow
    has room for, which is some two bytes a pixel.
    """
    from PIL import Image

    image = Image.frombuffer("RGB", sides, pixels, "raw", mode, 0, 1)
    buffer = io.BytesIO()
    try:
        image.save(
            buffer, "JPEG", qtables=_tables(wanted.quality, wanted.quant_table), optimize=wanted.optimize,
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
