"""Plain JPEGs, decoded and encoded in memory by libjpeg-turbo."""

import functools
import io
import threading
from typing import Any

from coverproxy.imaging import jpeg, vips
from coverproxy.imaging.settings import JpegSettings

_MOST_PIXELS = 8_000_000
"""Decoded pixels: 32 MB of memory. Above, libvips keeps only a strip."""

_KEPT_BYTES = 8_000_000
"""Buffer of a thread: two megapixels fit most covers. A fresh block costs 500 page faults per cover."""

_local = threading.local()


def library() -> Any:
    """Load simplejpeg and Pillow. The first call takes some 100 ms for numpy, so no import does this."""
    import PIL.JpegImagePlugin  # noqa: F401 - else encoded() imports it for the first cover
    import simplejpeg

    return simplejpeg


def decoded(body: bytes, known: jpeg.Plain, factor: int) -> Any | None:
    """Return the whole picture as an array (rows, columns, 4), each side divided by *factor*.

    The four bytes are R, G, B and one without meaning. *factor*: 1, 2, 4 or 8; fractions of a side are
    rounded up. The array uses this thread's buffer and is valid until its next call.

    None if there is any warning, as with libvips. Then libvips decides, so that there is one judge of damage.
    Also None if the picture would take much memory. There is no limit to the scans: a process that takes too
    long is killed, whoever decodes in it.
    """
    if known.width * known.height > _MOST_PIXELS * factor * factor:
        return None
    columns, rows = -(-known.width // factor), -(-known.height // factor)
    smaller = {"min_width": columns, "min_height": rows} if factor > 1 else {}
    try:
        return library().decode_jpeg(body, "RGBX", buffer=_buffer(columns * rows * 4), **smaller)
    except ValueError:
        return None


def _buffer(length: int) -> Any:
    """Return a buffer to decode into; simplejpeg checks its length."""
    import numpy

    if length > _KEPT_BYTES:
        return numpy.empty(length, numpy.uint8)
    if not hasattr(_local, "buffer"):
        _local.buffer = numpy.empty(_KEPT_BYTES, numpy.uint8)
    return _local.buffer


def encoded(pixels: bytes, sides: tuple[int, int], wanted: JpegSettings, mode: str = "RGB") -> bytes | None:
    """Encode 8-bit *pixels* of *sides* (width, height); ignores `wanted.trellis`.

    *mode*: "RGB", or "RGBX" for four bytes per pixel. Uses Pillow, whose encoder is libjpeg-turbo: libvips'
    encoder, mozjpeg, takes more than twice as long for the same coefficients and starts a thread. simplejpeg
    is faster still, but takes no tables. Returns None if the picture has more detail than fits Pillow's
    buffer, about two bytes per pixel.
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
    """Return the quantisation tables that libvips uses at these settings, read from a JPEG that it makes."""
    from PIL.JpegImagePlugin import JpegImageFile

    image = vips.library().Image.black(16, 16, bands=3).copy(interpretation="srgb")
    sample = image.jpegsave_buffer(Q=quality, quant_table=quant_table, subsample_mode="off", keep="none")
    with JpegImageFile(io.BytesIO(sample)) as opened:
        return {at: list(table) for at, table in opened.quantization.items()}
