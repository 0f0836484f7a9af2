"""libvips, set up the one way we use it: untrusted loaders blocked, no cache, one thread, loaders by name."""

import contextlib
import ctypes
import functools
import os
import threading
from typing import Any

from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Loader
from coverproxy.imaging import jpeg, tiff, webp
from coverproxy.imaging.image import Image

# Each render runs in one thread of its own process; a pool below it only costs (libvips PR 4823: 128 ms with
# the default pool, 84 ms with one). The bytes of an AVIF depend on it, so we override the environment.
# libvips reads it once, when the library is loaded.
os.environ["VIPS_CONCURRENCY"] = "1"

# libvips' warnings are dropped: the error that ends the render contains the same text. pyvips would pass each
# to Python's logging, from the thread that libvips warns in. A garbage collection there may free an image,
# which may warn too, and GLib aborts the process on a warning within a warning: one run of some hundred
# corrupt originals died of it.
os.environ["VIPS_WARNING"] = "1"

# Where decoding stops. libjpeg only warns about corrupt data and paints grey over it, so for JPEG warnings
# count; elsewhere they are harmless (a PNG's wrong sRGB chunk, an unknown TIFF tag) and only errors do.
_OPTIONS: dict[Loader, dict[str, Any]] = {
    Loader.JPEG: {"fail_on": "warning"},
    Loader.PNG: {"fail_on": "error"},
    Loader.WEBP: {"fail_on": "error", "n": 1},
    Loader.GIF: {"fail_on": "error", "n": 1},
    Loader.TIFF: {"fail_on": "error"},
    Loader.HEIF: {"fail_on": "error", "n": 1},
}


_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

_KEPT_BYTES = 16 * 1024 * 1024
_MAPPED_BYTES = 32 * 1024 * 1024

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
    """Have glibc return every block of 32 MiB and more to the system at once, and keep the small ones.

    By default it keeps ever larger ones in its heap after the first is freed (mallopt(3), M_MMAP_THRESHOLD),
    where small ones pin them: a few originals with a large canvas raised a worker's memory permanently.
    Setting that threshold alone fixes M_TRIM_THRESHOLD at 128 KiB: each render then returned its strips, and
    the kernel cleared new ones for the next: 500 page faults and a seventh of a medium cover's time.

    With a threshold of 1 MiB, a progressive JPEG's coefficients were such a block: 150 page faults per cover.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def open_original(body: bytes, loader: Loader, **options: Any) -> Image:
    """Open an image lazily: only its header is read. Raises UnusableOriginal("header").

    Every decode starts here. So this is where files are refused that no decoder reads safely or correctly,
    and where the page is chosen. Clears errors of earlier files, so that said() reports only this one's.
    """
    chosen = {"access": "sequential", **_OPTIONS[loader], **_page_options(body, loader), **options}
    vips = library()
    forget_errors()
    load = getattr(vips.Image, f"{loader.value}load_buffer")
    body = webp.with_true_length(body) if loader is Loader.WEBP else body
    try:
        image: Image = load(body, **chosen)
        if loader is Loader.HEIF and (primary := _primary(image)) > 0:
            image = load(body, **chosen, page=primary)
        return image
    except vips.Error as exc:
        raise UnusableOriginal("header", said(exc, loader)) from None


def _page_options(body: bytes, loader: Loader) -> dict[str, Any]:
    """Return the open options of a JPEG or TIFF. Raises UnusableOriginal("header") if it must not be read."""
    if loader is Loader.JPEG and (why := jpeg.refusal(body)) is not None:
        raise UnusableOriginal("header", why)
    if loader is not Loader.TIFF:
        return {}
    page = tiff.picture(body)
    if (why := tiff.refusal(page)) is not None:
        raise UnusableOriginal("header", why)
    # undecodable tiles come out black with only a warning
    return {"page": page.number, **({"fail_on": "warning"} if page.is_tiled else {})}


def from_memory(pixels: Any, width: int, height: int, bands: int) -> Image:
    """Return pixels of 8 bits a band as an image, without copying them."""
    image: Image = library().Image.new_from_memory(pixels, width, height, bands, "uchar")
    return image


def _primary(image: Image) -> int:
    """Return the index of a HEIF's primary picture."""
    return int(image.get("heif-primary")) if image.get_typeof("heif-primary") else 0


def forget_errors() -> None:
    """Clear libvips' one error buffer; sound files leave text in it, too."""
    library().vips_lib.vips_error_clear()


_STRIP_LINES = 16
"""As many lines as a row of JPEG blocks at 4:2:0: more leave the processor's cache, fewer cost calls."""


def pixels(image: Image) -> bytes:
    """Return the pixels of *image* line by line, computed in this thread.

    libvips' calls for a whole image (write_to_memory, a saver) compute it in threads of their own, even if it
    is only one: some thirty context switches per cover, and a tenth of its time on a busy machine.
    Raises libvips' Error.
    """
    region = library().Region.new(image)
    width, height = image.width, image.height
    return b"".join(
        region.fetch(0, top, width, min(_STRIP_LINES, height - top)) for top in range(0, height, _STRIP_LINES)
    )


def upright(image: Image) -> tuple[int, int]:
    """Return (width, height) in px as a viewer sees it; EXIF orientations 5 to 8 swap the sides."""
    width, height = image.width, image.height
    lying = image.get_typeof("orientation") != 0 and image.get("orientation") >= 5
    return (height, width) if lying else (width, height)


_SPEAKERS = {
    Loader.JPEG: ("VipsJpeg", "jpegload"),
    Loader.PNG: ("spngload", "pngload", "libspng", "libpng"),
    Loader.WEBP: ("webp2vips", "webpload"),
    Loader.GIF: ("gifload", "libnsgif"),
    Loader.TIFF: ("tiff2vips", "tiffload"),
    Loader.HEIF: ("heifload", "heif"),
}
"""Prefixes of each loader's lines in libvips' errors."""

_NOISE = "source: bad seek"
"""libvips' HEIF loader writes such lines for sound files as well."""


def said(error: Any, loader: Loader) -> str:
    """Return in one line what libvips said about a file that *loader* reads.

    Its buffer is shared by all threads: messages of other loaders concern other files.
    """
    others = tuple(name for other, names in _SPEAKERS.items() if other is not loader for name in names)
    if loader is Loader.TIFF:  # a TIFF may hold JPEG tiles
        others = tuple(name for name in others if name != "VipsJpeg")
    lines = [line.strip() for line in str(error.detail or error.message).split("\n")]
    own = [line for line in dict.fromkeys(lines) if line and not line.startswith(others)]
    telling = [line for line in own if not line.startswith(_NOISE)]
    return "; ".join(telling or own)[:200] or "libvips gives no reason"
