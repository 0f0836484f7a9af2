"""JPEG segments: the frame they declare, a comment that pads, and headers straightened (T.81)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_SOF0, _SOF1, _SOS, _APP0, _APP14 = 0xC0, 0xC1, 0xDA, 0xE0, 0xEE

_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length: TEM and RST0 to RST7. libjpeg passes over them between segments."""

_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)

_MOST_SEGMENTS = 4096
"""Before the first scan; profiles and metadata in pieces are some hundreds. It bounds the reader's time."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15; the three others are DHT, JPG and DAC."""

_LOSSLESS = frozenset({0xC3, 0xCB})
_READ_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Baseline, extended and progressive, by Huffman or (SOF9, SOF10) arithmetic coding."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame header declares (T.81 §B.2.2): marker, bits a sample, sides in px, and components.

    `is_strict`: nothing but well-formed segments stands between the start and the first scan.
    """

    marker: int
    precision: int
    width: int
    height: int
    components: int
    is_strict: bool = True

    @property
    def is_plain(self) -> bool:
        """Say whether it is 8-bit SOF0, SOF1 or SOF2, grey or of three colours, in an orderly file."""
        is_known = self.marker in (0xC0, 0xC1, 0xC2) and self.precision == 8
        return self.is_strict and is_known and self.components in (1, 3)


def frame(body: bytes) -> Frame | None:
    """Return the one frame declared before the first scan; None where there is none, or more. Never raises.

    Junk between segments is passed over as libjpeg does, so that both see the same frame: a reader that
    gave up there would be led past a frame that libjpeg goes on to decode.
    """
    found: list[Frame] = []
    at, is_strict = 2, body[:2] == b"\xff\xd8"
    for _ in range(_MOST_SEGMENTS):
        marker = _MARKER.search(body, at)
        if marker is None or marker.end() + 2 > len(body):
            return None
        code, start = body[marker.end() - 1], marker.end()
        length = 0 if code in _BARE else int.from_bytes(body[start : start + 2])
        is_strict = is_strict and marker.start() == at and length >= 2
        at = (
            start if code in _BARE else start + max(length, 2)
        )  # as libjpeg goes on behind a length of 0 or 1
        if at > len(body):
            return None
        if code in _FRAMES:
            found.append(_frame(code, body[start + 2 : at]))
        if code == _SOS:
            is_one = len(found) == 1 and found[0].components > 0
            return replace(found[0], is_strict=is_strict) if is_one else None
    return None


def _frame(marker: int, header: bytes) -> Frame:
    """Read a frame header; one whose length does not fit has no components."""
    if len(header) < 6 or len(header) != 6 + 3 * header[5]:
        return Frame(marker, 0, 0, 0, 0)
    width, height = int.from_bytes(header[3:5]), int.from_bytes(header[1:3])
    return Frame(marker, header[0], width, height, header[5])


def refusal(body: bytes) -> str | None:
    """Say why no decoder may see this JPEG; None where it may.

    A lossless one (SOF3) cannot be shrunk while it is decoded, and no decoder here says so: simplejpeg writes
    all of it beyond the end of the smaller picture's memory, libvips gives the top left corner as the whole
    cover. The other kinds not read have no decoder here, and are not left to find that out by themselves.
    """
    seen = frame(body)
    if seen is None:
        return "a JPEG whose header cannot be read: it is cut off, or declares no picture, or more than one"
    if seen.marker in _LOSSLESS:
        return "a lossless JPEG, which cannot be shrunk safely; save it as a usual JPEG or as PNG"
    if seen.marker not in _READ_FRAMES:
        return f"a JPEG of a kind that is not read (SOF{seen.marker - _SOF0}); save it as a usual JPEG"
    if seen.precision != 8:
        return f"a JPEG of {seen.precision} bits a channel; save it with 8 bits"
    return None


def padded(body: bytes, least: int) -> bytes:
    """Bring a JPEG to *least* bytes with one comment segment (§B.2.4.5) behind its start."""
    missing = least - len(body)
    if missing <= 0:
        return body
    filler = max(missing - 4, 0)  # marker and length take 4 bytes
    return body[:2] + b"\xff\xfe" + (filler + 2).to_bytes(2) + b" " * filler + body[2:]


def straightened(body: bytes) -> bytes:
    """Mend what libjpeg warns of in headers though the picture is whole, so that any warning left is damage.

    The JFIF revision and the Adobe colour transform become known ones, and a sequential scan's spectral
    selection what it must be (Samsung's cameras write 0 to 0).
    """
    mended = bytearray(body)
    is_sequential = False
    for marker, at, end in _segments(body):
        is_sequential = is_sequential or marker in (_SOF0, _SOF1)
        if marker == _APP0 and body[at : at + 5] == b"JFIF\x00":
            mended[at + 5] = 1
        elif marker == _APP14 and body[at : at + 5] == b"Adobe" and end - at >= 12:
            mended[at + 11] = min(body[at + 11], 1)
        elif marker == _SOS and is_sequential and end - at >= 6:
            mended[end - 3 : end] = b"\x00\x3f\x00"
    return bytes(mended)


def _segments(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of the payload of each segment, up to the first scan's."""
    at = 2
    while at + 4 <= len(body) and body[at] == 0xFF:
        marker, length = body[at + 1], int.from_bytes(body[at + 2 : at + 4])
        if length < 2 or at + 2 + length > len(body):
            return
        yield marker, at + 4, at + 2 + length
        if marker == _SOS:
            return
        at += 2 + length
