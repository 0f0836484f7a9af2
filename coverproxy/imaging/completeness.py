"""Whether a file seems to be all there, by its markers and declared lengths: cheap, without a decoder."""

from coverproxy.domain.formats import Loader
from coverproxy.imaging import jpeg

_EOI = b"\xff\xd9"
_PNG_START = 8
_MOST_CHUNKS = 100_000


def seems_whole(body: bytes, loader: Loader) -> bool:
    """Return whether the end of the picture is in *body*. Never raises.

    False says nothing but that a decoder has to see it: JPEGs without their end marker can be sound, and of a
    TIFF the end does not tell. True does not exclude damage in the middle.
    """
    if loader is Loader.JPEG:
        return body.rfind(_EOI, _scans_start(body)) >= 0
    if loader is Loader.PNG:
        return _has_png_end(body)
    if loader is Loader.GIF:
        return body.rstrip(b"\0").endswith(b";")
    if loader is Loader.WEBP:
        return int.from_bytes(body[4:8], "little") + 8 <= len(body)
    return loader is Loader.HEIF and _has_all_boxes(body)


def _scans_start(body: bytes) -> int:
    """Return where the coded data begins: previews in the header have end markers of their own."""
    return next((end for marker, _, end, _ in jpeg.segments(body) if marker == jpeg.SOS), len(body))


def _has_png_end(body: bytes) -> bool:
    at = _PNG_START
    for _ in range(_MOST_CHUNKS):
        kind = body[at + 4 : at + 8]
        at += 12 + int.from_bytes(body[at : at + 4])
        if at > len(body) or len(kind) < 4:
            return False
        if kind == b"IEND":
            return True
    return False


def _has_all_boxes(body: bytes) -> bool:
    """Return whether every top-level box ends within the file (ISO/IEC 14496-12 §4.2)."""
    at = 0
    while at + 8 <= len(body):
        length = int.from_bytes(body[at : at + 4])
        if length == 1:
            length = int.from_bytes(body[at + 8 : at + 16])
        if length < 8:  # 0: to the end of the file, wherever that was
            return False
        at += length
    return at == len(body)
