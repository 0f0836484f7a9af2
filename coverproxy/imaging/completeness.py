"""Whether a file seems to be whole, by its markers, lengths and checksums: cheap, without a decoder."""

import re
import zlib

from coverproxy.domain.formats import Loader
from coverproxy.imaging import jpeg

_EOI = b"\xff\xd9"
_PNG_START = 8
_MOST_CHUNKS = 100_000

_ODD = re.compile(rb"\xff[\x01-\xc3\xc5-\xcf\xd8\xf0-\xfd]")
"""Markers that cannot stand between the scans of a JPEG (ITU T.81 B.1.1)."""
_ODD_WITHOUT_RESTARTS = re.compile(rb"\xff[\x01-\xc3\xc5-\xd8\xf0-\xfd]")
"""The same of one whose header announces no restarts: these stand alone (B.2.4.4)."""
_DRI = 0xDD
_LOST = bytes(256)
"""Zeros, as of a block that a disk or a transfer lost. Very plain pictures have such runs too."""


def seems_whole(body: bytes, loader: Loader) -> bool:
    """Return whether the end of the picture is in *body*. Never raises.

    False says nothing but that a decoder has to see it: JPEGs without their end marker can be sound, and of a
    TIFF the end does not tell. True does not exclude damage: of single wrong bytes in a JPEG, nothing tells.
    """
    if loader is Loader.JPEG:
        return _is_whole_jpeg(body)
    if loader is Loader.PNG:
        return _has_png_end(body)
    if loader is Loader.GIF:
        return body.rstrip(b"\0").endswith(b";")
    if loader is Loader.WEBP:
        return int.from_bytes(body[4:8], "little") + 8 <= len(body)
    return loader is Loader.HEIF and _has_all_boxes(body)


def _is_whole_jpeg(body: bytes) -> bool:
    """Look at the coded data alone: previews in the header have end markers of their own."""
    header = {marker: end for marker, _, end, _ in jpeg.segments(body)}
    start = header.get(jpeg.SOS, len(body))
    end = body.rfind(_EOI, start)
    odd = _ODD if _DRI in header else _ODD_WITHOUT_RESTARTS
    return end >= 0 and body.find(_LOST, start, end) < 0 and odd.search(body, start, end) is None


def _has_png_end(body: bytes) -> bool:
    at = _PNG_START
    for _ in range(_MOST_CHUNKS):
        kind, start = body[at + 4 : at + 8], at + 4
        at += 12 + int.from_bytes(body[at : at + 4])
        if at > len(body) or len(kind) < 4:
            return False
        if zlib.crc32(memoryview(body)[start : at - 4]) != int.from_bytes(body[at - 4 : at]):
            return False
        if kind == b"IEND":
            return True
    return False


def _has_all_boxes(body: bytes) -> bool:
    """Return whether every top-level box ends within the file (ISO/IEC 14496-12 §4.2)."""
    at = 0
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(body):
            break
        length = int.from_bytes(body[at : at + 4])
        if length == 1:
            length = int.from_bytes(body[at + 8 : at + 16])
        if length < 8:  # 0: to the end of the file, wherever that was
            return False
        at += length
    return at == len(body)
