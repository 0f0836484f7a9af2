"""Picture formats: those we write, and the loaders we allow, recognised by magic bytes."""

import base64
from enum import Enum


class Format(Enum):
    """A format of derivatives. The value, and `ending`, is the file extension without its dot."""

    JPEG = "jpg"
    WEBP = "webp"
    AVIF = "avif"

    # Enum's own are functions in Python, and each cover asks for them dozens of times.
    __hash__ = object.__hash__

    def __init__(self, ending: str) -> None:
        self.ending = ending

    @property
    def media_type(self) -> str:
        """The Content-Type, without parameters: calibre-web compares it by equality."""
        return "image/jpeg" if self is Format.JPEG else f"image/{self.value}"


ENDINGS = {"jpg": Format.JPEG, "jpeg": Format.JPEG, "webp": Format.WEBP, "avif": Format.AVIF}
"""The format that the extension of a cover's URL forces."""

PLACEHOLDER = base64.b64decode("R0lGODlhAQABAID/AMDAwAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
"""The transparent 1×1 GIF, byte for byte LibraryThing's; clients test for it (43 bytes)."""

PLACEHOLDER_FILE = "placeholder.gif"
"""Its name in the cache's top folder; nginx serves it when the app is down."""


class Loader(Enum):
    """A supported kind of original. The value is the stem of libvips' loader name."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    GIF = "gif"
    TIFF = "tiff"
    HEIF = "heif"

    @property
    def ending(self) -> str:
        """The extension of stored originals of this kind."""
        return {"jpeg": "jpg", "tiff": "tif"}.get(self.value, self.value)


# BigTIFF (43) is not supported: no cover needs 4 GiB.
_MAGIC = (
    (b"\xff\xd8\xff", Loader.JPEG),
    (b"\x89PNG\r\n\x1a\n", Loader.PNG),
    (b"GIF87a", Loader.GIF),
    (b"GIF89a", Loader.GIF),
    (b"II*\x00", Loader.TIFF),
    (b"MM\x00*", Loader.TIFF),
)
_HEIF_BRANDS = frozenset({b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis"})


_HEVC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})


def is_hevc(head: bytes) -> bool:
    """Return whether a HEIF file says in its first box that its pictures are coded by HEVC, as phones do."""
    length = min(int.from_bytes(head[:4]), 256)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, length - 3, 4))]
    return head[4:8] == b"ftyp" and not _HEVC_BRANDS.isdisjoint(brands)


def sniff(head: bytes) -> Loader | None:
    """Return the allowed loader for a file that starts with *head* (32 bytes are enough), or None.

    Only content decides, never a name or a declared type. libvips must not guess: it would also pick loaders
    that read other files or run code (CVE-2026-66066).
    """
    for magic, loader in _MAGIC:
        if head.startswith(magic):
            return loader
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Loader.WEBP
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return Loader.HEIF
    return None


def dimensions(body: bytes, form: Format) -> tuple[int, int] | None:
    """Read (width, height) in px from a derivative that we wrote; None if it is truncated."""
    if not is_whole(body, form):
        return None
    try:
        return _DIMENSIONS[form](body)
    except (IndexError, ValueError):
        return None


def is_whole(body: bytes, form: Format) -> bool:
    """Return whether a derivative that we wrote is complete: not empty, not truncated."""
    if form is Format.JPEG:
        return body.startswith(b"\xff\xd8\xff") and body.endswith(b"\xff\xd9")
    if form is Format.WEBP:
        return body[:4] == b"RIFF" and int.from_bytes(body[4:8], "little") + 8 == len(body)
    return body[4:8] == b"ftyp" and _ends_with_its_data(body)


_MOST_BOXES = 64
"""Encoders write three: it bounds the time that the answer of a render process takes to check."""


def _ends_with_its_data(body: bytes) -> bool:
    """Return whether the last top-level box (ISO/IEC 14496-12 §4.2) is the picture and ends the file."""
    at, kind = 0, b""
    for _ in range(_MOST_BOXES):
        if at + 8 > len(body):
            break
        length, kind = int.from_bytes(body[at : at + 4]), body[at + 4 : at + 8]
        if length < 8:
            return False
        at += length
    return at == len(body) and kind == b"mdat"


def _jpeg(body: bytes) -> tuple[int, int] | None:
    at = 2
    while body[at] == 0xFF:
        marker = body[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return body[at + 7] << 8 | body[at + 8], body[at + 5] << 8 | body[at + 6]
        at += 2 + (body[at + 2] << 8 | body[at + 3])  # without slices: every hit from disk comes here
    return None


def _webp(body: bytes) -> tuple[int, int] | None:
    chunk = body[12:16]
    if chunk == b"VP8 ":  # lossy: two 14-bit sides after the start code (RFC 9649 §2.5)
        sides = (int.from_bytes(body[26:28], "little"), int.from_bytes(body[28:30], "little"))
        return sides[0] & 0x3FFF, sides[1] & 0x3FFF
    if chunk == b"VP8L":
        bits = int.from_bytes(body[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8X":
        return int.from_bytes(body[24:27], "little") + 1, int.from_bytes(body[27:30], "little") + 1
    return None


def _avif(body: bytes) -> tuple[int, int] | None:
    at = body.index(b"ispe")  # ISO/IEC 23008-12 §6.5.3: version and flags, then width and height
    return int.from_bytes(body[at + 8 : at + 12]), int.from_bytes(body[at + 12 : at + 16])


_DIMENSIONS = {Format.JPEG: _jpeg, Format.WEBP: _webp, Format.AVIF: _avif}
