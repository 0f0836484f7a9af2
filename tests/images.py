"""Pictures that the tests draw themselves, as the bytes of a file: every kind of original there is."""

import re
import struct
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from coverproxy.imaging.vips import library

WIDTH, HEIGHT = 240, 360

RED, GREEN, BLUE, YELLOW = (200, 40, 40), (40, 160, 60), (40, 60, 190), (220, 200, 60)
CORNERS = (RED, GREEN, BLUE, YELLOW)
"""The colours of `corners()`, as they are read: top left, top right, bottom left, bottom right."""

GPS = b"GPSLatitude of the photographer's home"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">the reader of this book</x:xmpmeta>'


def image(pixels: Any, interpretation: str = "srgb") -> Any:
    """An array (rows, columns[, bands]) as a libvips image."""
    return library().Image.new_from_array(pixels).copy(interpretation=interpretation)


@cache
def cover(width: int = WIDTH, height: int = HEIGHT) -> Any:
    """A cover: a shaded ground with some grain, a panel, and rows of letters with hard edges."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    ground = np.stack([170 - 50 * y, 120 + 40 * x, 90 + 60 * y], axis=2)
    ground += np.random.default_rng(7).normal(0, 3, ground.shape)
    panel = (x > 0.1) & (x < 0.9) & (y > 0.1) & (y < 0.45)
    letters = panel & ((y * 40).astype(int) % 3 == 0) & ((x * 60).astype(int) % 3 != 1)
    ground[panel] = (225, 215, 195)
    ground[letters] = (60, 50, 70)
    return image(ground.clip(0, 255).astype(np.uint8))


def solid(colour: tuple[int, ...], width: int = 60, height: int = 90) -> Any:
    """A picture of one colour."""
    return image(np.full((height, width, len(colour)), colour, np.uint8))


@cache
def corners(width: int = WIDTH, height: int = HEIGHT) -> Any:
    """A picture whose four quarters have the colours of CORNERS."""
    pixels = np.empty((height, width, 3), np.uint8)
    middle, centre = height // 2, width // 2
    pixels[:middle, :centre], pixels[:middle, centre:] = RED, GREEN
    pixels[middle:, :centre], pixels[middle:, centre:] = BLUE, YELLOW
    return image(pixels)


def pages(*frames: Any) -> Any:
    """Several pictures of one size, one below the other, as libvips holds an animation."""
    vips = library()
    joined = vips.Image.arrayjoin(list(frames), across=1).copy()
    joined.set_type(vips.GValue.gint_type, "page-height", frames[0].height)
    return joined


def with_profile(picture: Any, name: str) -> Any:
    """The same numbers, said to be in one of libvips' own ICC profiles ("p3", "srgb", "cmyk")."""
    vips = library()
    copy = picture.copy()
    copy.set_type(vips.GValue.blob_type, "icc-profile-data", vips.Operation.call("profile_load", name))
    return copy


def with_metadata(picture: Any) -> Any:
    """A picture with an ICC profile, EXIF (a GPS position among it), XMP and IPTC."""
    vips = library()
    copy = with_profile(picture, "srgb")
    copy.set_type(vips.GValue.gstr_type, "exif-ifd3-GPSLatitude", "52/1 31/1 0/1 (52, 31, 0, Rational)")
    copy.set_type(vips.GValue.gstr_type, "exif-ifd0-ImageDescription", f"{GPS.decode()} (Ascii)")
    copy.set_type(vips.GValue.blob_type, "xmp-data", XMP)
    return copy


def as_cmyk(picture: Any) -> Any:
    """A picture in CMYK, by libvips' own press profile, which it keeps."""
    return with_profile(picture, "srgb").icc_transform("cmyk")


def grey(picture: Any) -> Any:
    """A picture in shades of grey, in one band."""
    return picture.colourspace("b-w")


def deep(picture: Any) -> Any:
    """A picture with 16 bits a band."""
    return (picture.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")


def fading(picture: Any) -> Any:
    """A picture whose alpha is full in its upper half and nothing in its lower one."""
    alpha = np.zeros((picture.height, picture.width), np.uint8)
    alpha[: picture.height // 2] = 255
    return picture.bandjoin(image(alpha, "b-w"))


def jpeg(picture: Any, **options: Any) -> bytes:
    """A JPEG file; quality 90 unless told otherwise."""
    return bytes(picture.jpegsave_buffer(**{"Q": 90, **options}))


def png(picture: Any, **options: Any) -> bytes:
    """A PNG file."""
    return bytes(picture.pngsave_buffer(**{"compression": 3, **options}))


def gif(picture: Any) -> bytes:
    """A GIF file."""
    return bytes(picture.gifsave_buffer(effort=1))


def webp(picture: Any, **options: Any) -> bytes:
    """A WebP file."""
    return bytes(picture.webpsave_buffer(**{"Q": 90, "effort": 0, **options}))


def tiff(picture: Any, **options: Any) -> bytes:
    """A TIFF file."""
    return bytes(picture.tiffsave_buffer(**options))


def avif(picture: Any) -> bytes:
    """An AVIF file."""
    return bytes(picture.heifsave_buffer(compression="av1", Q=80, effort=0))


def turned(picture: Any, orientation: int) -> Any:
    """A picture stored as a camera held another way would: upright again once EXIF is obeyed."""
    undo = {
        1: lambda it: it,
        2: lambda it: it.fliphor(),
        3: lambda it: it.rot180(),
        4: lambda it: it.flipver(),
        5: lambda it: it.rot90().fliphor(),
        6: lambda it: it.rot270(),
        7: lambda it: it.rot270().fliphor(),
        8: lambda it: it.rot90(),
    }
    return with_orientation(undo[orientation](picture), orientation)


def with_orientation(picture: Any, orientation: int) -> Any:
    """A picture whose EXIF says *orientation*, be it true or not."""
    vips = library()
    copy = picture.copy()
    copy.set_type(vips.GValue.gint_type, "orientation", orientation)
    return copy


KINDS: dict[str, Callable[[], bytes]] = {
    "jpeg-420": lambda: jpeg(cover(), subsample_mode="on"),
    "jpeg-444": lambda: jpeg(cover(), subsample_mode="off"),
    "jpeg-progressive": lambda: jpeg(cover(), interlace=True),
    "jpeg-restarts": lambda: jpeg(cover(), restart_interval=4),
    "jpeg-cmyk-profile": lambda: jpeg(as_cmyk(cover()), Q=95),
    "jpeg-cmyk-bare": lambda: jpeg(as_cmyk(cover()), Q=95, keep="none"),
    "jpeg-p3": lambda: jpeg(with_profile(cover(), "srgb").icc_transform("p3"), Q=95),
    "jpeg-metadata": lambda: jpeg(with_metadata(cover())),
    "jpeg-oriented": lambda: jpeg(turned(cover(), 6)),
    "png-rgb": lambda: png(cover()),
    "png-palette": lambda: png(cover(), palette=True),
    "png-16-bit": lambda: png(deep(cover())),
    "png-alpha": lambda: png(cover().bandjoin(255)),
    "png-interlaced": lambda: png(cover(), interlace=True),
    "png-metadata": lambda: png(with_metadata(cover())),
    "gif": lambda: gif(cover()),
    "gif-animated": lambda: gif(pages(cover(), cover().invert(), solid(BLUE, WIDTH, HEIGHT))),
    "webp": lambda: webp(cover()),
    "webp-lossless": lambda: webp(cover(), lossless=True),
    "webp-alpha": lambda: webp(cover().bandjoin(255)),
    "webp-animated": lambda: webp(pages(cover(), cover().invert())),
    "webp-metadata": lambda: webp(with_metadata(cover())),
    "tiff": lambda: tiff(cover()),
    "tiff-deflate": lambda: tiff(cover(), compression="deflate"),
    "tiff-tiled": lambda: tiff(cover(), tile=True),
    "tiff-pages": lambda: tiff(pages(cover(), cover().invert())),
    "tiff-16-bit": lambda: tiff(deep(cover())),
    "tiff-float": lambda: tiff(cover().colourspace("scrgb")),
    "tiff-lab": lambda: tiff(cover().colourspace("lab")),
    "tiff-cmyk": lambda: tiff(as_cmyk(cover())),
    "avif": lambda: avif(cover()),
    "avif-alpha": lambda: avif(cover().bandjoin(255)),
}
"""Every kind of file that shows `cover()` in colour, by a name for it."""

GREY_KINDS: dict[str, Callable[[], bytes]] = {
    "jpeg-grey": lambda: jpeg(grey(cover())),
    "png-grey": lambda: png(grey(cover())),
    "png-grey-16-bit": lambda: png((grey(cover()).cast("ushort") * 257).cast("ushort").copy(
        interpretation="grey16")),
    "png-grey-alpha": lambda: png(grey(cover()).bandjoin(255)),
    "tiff-grey": lambda: tiff(grey(cover())),
    "webp-grey": lambda: webp(grey(cover())),
}  # fmt: skip
"""Every kind of file that shows `cover()` in grey, by a name for it."""


@cache
def drawn(kind: str) -> bytes:
    """A file of the kind of that name, drawn once."""
    return {**KINDS, **GREY_KINDS}[kind]()


@cache
def small_jpeg(width: int = 40, height: int = 60) -> bytes:
    """A small cover as JPEG, for tests that need many files."""
    return jpeg(cover(width, height), keep="none")


def distinct(body: bytes, number: int) -> bytes:
    """The same JPEG with other bytes: a comment that nobody sees."""
    note = f"copy {number}".encode()
    return body[:2] + segment(0xFE, note) + body[2:]


def segment(marker: int, content: bytes) -> bytes:
    """A JPEG marker segment (ITU-T T.81 §B.1.1.4)."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def segments(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Every marker segment of a JPEG up to its first scan: marker and content."""
    at = 2
    while True:
        marker, length = body[at + 1], int.from_bytes(body[at + 2 : at + 4])
        yield marker, body[at + 4 : at + 2 + length]
        if marker == 0xDA:
            return
        at += 2 + length


def without(body: bytes, marker: int) -> bytes:
    """A JPEG without its header segments of that marker."""
    kept = [segment(each, content) for each, content in segments(body) if each != marker]
    return body[:2] + b"".join(kept) + scan(body)


def scan(body: bytes) -> bytes:
    """The coded picture of a JPEG: all behind the header of its first scan."""
    return body[2 + sum(len(content) + 4 for _, content in segments(body)) :]


def with_odd_adobe(body: bytes) -> bytes:
    """A JPEG whose Adobe segment names a colour transform that does not exist; libjpeg only warns."""
    adobe = segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x09")
    bare = without(body, 0xE0)
    return bare[:2] + adobe + bare[2:]


def with_new_jfif(body: bytes) -> bytes:
    """A JPEG that says it is of a JFIF revision to come; libjpeg only warns."""
    return body.replace(b"JFIF\x00\x01", b"JFIF\x00\x09", 1)


def with_odd_scan(body: bytes) -> bytes:
    """A JPEG whose scan header bends the standard (spectral selection 0 to 0); libjpeg only warns."""
    at = body.index(b"\xff\xda")
    end = at + 2 + int.from_bytes(body[at + 2 : at + 4])
    return body[: end - 2] + b"\x00" + body[end - 1 :]


def with_padding(body: bytes) -> bytes:
    """A JPEG with zeros between its picture and its end; libjpeg only warns."""
    return body[:-2] + b"\x00" * 16 + body[-2:]


def broken(body: bytes, share: float) -> bytes:
    """A JPEG with a stray restart marker in its scan, at *share* of it: libjpeg paints grey from there on."""
    start = len(body) - len(scan(body))
    at = start + int((len(body) - 2 - start) * share)
    while body[at - 1] == 0xFF:  # not between an FF and the byte that belongs to it
        at += 1
    return body[:at] + b"\xff\xd3" + body[at:]


def flipped(body: bytes, at: int) -> bytes:
    """A file with one bit the other way round."""
    return body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1 :]


def png_saying(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with next to no pixels behind it: a decompression bomb's start."""
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def decoded(body: bytes) -> Any:
    """A rendered file's pixels: rows, columns, bands."""
    return np.atleast_3d(library().Image.new_from_buffer(body, "").numpy()).astype(float)


def mean(body: bytes) -> list[float]:
    """A rendered file's mean colour."""
    return [float(value) for value in decoded(body).mean(axis=(0, 1))]


def metadata(body: bytes) -> set[str]:
    """Which embedded metadata a file has, by libvips' names for it."""
    fields = library().Image.new_from_buffer(body, "").get_fields()
    return {name for name in fields if re.match("exif-|xmp-|icc-|iptc-|orientation|.*comment", name)}


def sampling(body: bytes) -> list[int]:
    """The sampling factors of each component of a JPEG; 0x11 is one sample for each pixel."""
    frame = next(content for marker, content in segments(body) if marker in (0xC0, 0xC1, 0xC2))
    return [frame[7 + 3 * index] for index in range(frame[5])]
