"""Scales plain pixels in memory, with fast_image_resize where its wheel exists, else with libvips."""

import functools
import os
import threading
from typing import Any

from coverproxy.imaging import vips
from coverproxy.imaging.image import Image

_local = threading.local()


@functools.cache
def fast() -> Any | None:
    """Load fast_image_resize; None if it is not installed (it has no wheel for Linux on ARM), or off.

    `COVERPROXY_SCALER=libvips` in the environment makes libvips scale: the same kernel, at three times the
    CPU. Tests and benchmarks use it to act like such machines.
    """
    if os.environ.get("COVERPROXY_SCALER") == "libvips":
        return None
    try:
        import cykooz_resizer
    except ImportError:
        return None
    return cykooz_resizer


def scaled(pixels: Any, crop: tuple[int, int], target: tuple[int, int]) -> bytes:
    """Scale the *crop* (width, height) of an array (rows, columns, 4 bytes) to *target*, 4 bytes per pixel.

    The fourth byte has no meaning; treating it as alpha would cost a multiplication per pixel.
    """
    library = fast()
    if crop == target:
        cut: bytes = pixels[: crop[1], : crop[0]].tobytes()
        return cut
    return _by_libvips(pixels, crop, target) if library is None else _fast(library, pixels, crop, target)


def _fast(library: Any, pixels: Any, crop: tuple[int, int], target: tuple[int, int]) -> bytes:
    from PIL import Image

    rows, columns, _ = pixels.shape
    # Pillow's CMYK is its only mode of four bytes without alpha
    source = Image.frombuffer("CMYK", (columns, rows), pixels, "raw", "CMYK", 0, 1)
    fitted = Image.new("CMYK", target)
    _resizer(library).resize_pil(source, fitted, _options(library, crop, target))
    return fitted.tobytes()


def _resizer(library: Any) -> Any:
    """Return this thread's resizer, which keeps its buffers between pictures."""
    if not hasattr(_local, "resizer"):
        _local.resizer = library.Resizer()
    return _local.resizer


def _options(library: Any, crop: tuple[int, int], target: tuple[int, int]) -> Any:
    kinds = library.FilterType
    kernel = library.ResizeAlg.convolution(kinds.lanczos3 if is_near(crop, target) else kinds.catmull_rom)
    box = library.CropBox(0.0, 0.0, float(crop[0]), float(crop[1]))
    return library.ResizeOptions(resize_alg=kernel, use_alpha=False, crop_box=box)


def _by_libvips(pixels: Any, crop: tuple[int, int], target: tuple[int, int]) -> bytes:
    kernel = "lanczos3" if is_near(crop, target) else "cubic"
    image = as_image(pixels, crop).resize(target[0] / crop[0], vscale=target[1] / crop[1], kernel=kernel)
    return vips.pixels(image)


def is_near(crop: tuple[int, int], target: tuple[int, int]) -> bool:
    """Return whether a picture is shrunk by less than half.

    Then lanczos3 keeps detail that a Catmull-Rom spline would blur. For stronger shrinking it costs half as
    much CPU again, and scores no better at equal bytes.
    """
    return crop[0] < 2 * target[0]


def as_image(pixels: Any, crop: tuple[int, int]) -> Image:
    """Return the array as a libvips image of four bands, without copying it."""
    rows, columns, bands = pixels.shape
    image = vips.from_memory(pixels, columns, rows, bands)
    return image if (columns, rows) == crop else image.crop(0, 0, *crop)
