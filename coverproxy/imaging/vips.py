"""libvips, set up the one way we use it: untrusted loaders blocked, no cache, one thread, loaders by name."""

import contextlib
import ctypes
import functools
import os
import threading
from typing import Any

from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Loader
from coverproxy.imaging import jpeg

# Each render runs in one thread of its own process; a pool below it only costs (libvips PR 4823: 128 ms with
# the default pool, 84 ms with one). An AVIF's bytes depend on it, so the environment has no say. It is read
# once, when the library is loaded.
os.environ["VIPS_CONCURRENCY"] = "1"

# libvips' warnings go nowhere: what they tell is in the error that ends the render. pyvips would send each to
# Python's logging, from whatever thread libvips warns in. A garbage collection in there may free an image,
# which may warn as well, and GLib aborts the process on a warning within a warning: corrupt originals killed
# one run of some hundreds.
os.environ["VIPS_WARNING"] = "1"

# Where decoding stops. libjpeg only warns of corrupt data and paints grey over it, so warnings count there;
# elsewhere they are harmless (a PNG's wrong sRGB chunk, an unknown TIFF tag) and only errors do.
_OPTIONS: dict[Loader, dict[str, Any]] = {
    Loader.JPEG: {"fail_on": "warning"},
    Loader.PNG: {"fail_on": "error"},
    Loader.WEBP: {"fail_on": "error", "n": 1},
    Loader.GIF: {"fail_on": "error", "n": 1},
    Loader.TIFF: {"fail_on": "error", "page": 0},
    Loader.HEIF: {"fail_on": "error", "n": 1},
}


_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

_KEPT_BYTES = 16 * 1024 * 1024

_loading = threading.Lock()


def library() -> Any:
    """Load libvips and set it up, once; the first call takes some 100 ms.

    Never call it before a fork: its threads do not survive one (ruby-vips#396). So no import loads it.
    """
    with _loading:
        return _library()


@functools.cache
def _library() -> Any:
    import pyvips

    _set_up_memory()
    pyvips._remove_log_handler()
    pyvips.block_untrusted_set(True)
    pyvips.cache_set_max(0)
    pyvips.cache_set_max_mem(0)
    return pyvips


def _set_up_memory() -> None:
    """Have glibc return every block of a mebibyte and more to the system at once, and keep the small ones.

    By itself it keeps ever larger ones in its heap after the first is freed (mallopt(3), M_MMAP_THRESHOLD),
    where small ones pin them: a few originals with a large canvas raised a worker's memory for good. But
    setting that leaves M_TRIM_THRESHOLD at 128 KiB for good as well: each render then gave its strips back
    and had the kernel clear new ones for the next, 500 page faults and a seventh of a medium cover's time.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, 1024 * 1024)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def open_original(body: bytes, loader: Loader, **options: Any) -> Any:
    """Open an image lazily: only its header is read. Raises UnusableOriginal("header").

    Every decode passes here first, so here a JPEG is refused that no decoder takes safely or rightly.
    """
    if loader is Loader.JPEG and (why := jpeg.refusal(body)) is not None:
        raise UnusableOriginal("header", why)
    vips = library()
    load = getattr(vips.Image, f"{loader.value}load_buffer")
    try:
        return load(body, **{"access": "sequential", **_OPTIONS[loader], **options})
    except vips.Error as exc:
        raise UnusableOriginal("header", said(exc)) from None


_STRIP_LINES = 16
"""As many lines as a row of JPEG blocks has at 4:2:0: more leave the processor's cache, fewer cost calls."""


def pixels(image: Any) -> bytes:
    """Return the pixels of *image* line by line, computed by this very thread.

    Whatever of libvips takes a whole image (write_to_memory, a saver) has threads of its own compute it, be
    there one or more: some thirty changes of thread a cover, and a tenth of its time on a busy machine.
    Raises libvips' Error.
    """
    region = library().Region.new(image)
    width, height = image.width, image.height
    return b"".join(
        region.fetch(0, top, width, min(_STRIP_LINES, height - top)) for top in range(0, height, _STRIP_LINES)
    )


def upright(image: Any) -> tuple[int, int]:
    """Return (width, height) in px as a viewer sees it, its EXIF orientation (5 to 8: lying) obeyed."""
    width, height = image.width, image.height
    lying = image.get_typeof("orientation") != 0 and image.get("orientation") >= 5
    return (height, width) if lying else (width, height)


def said(error: Any) -> str:
    """Return what libvips said, in one line."""
    lines = str(error.detail or error.message).split("\n")
    return "; ".join(dict.fromkeys(line.strip() for line in lines if line.strip()))[:200]
