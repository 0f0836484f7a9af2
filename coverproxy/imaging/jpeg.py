"""JPEG headers: the segments up to the first scan, the frame they declare, and a comment that pads (T.81)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from coverproxy.imaging import icc, tiff

SOF0, SOF1, SOF2, SOS, APP0, APP1, APP2, APP14 = 0xC0, 0xC1, 0xC2, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE

_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length: TEM and RST0 to RST7. libjpeg skips them between segments."""

_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)

_MOST_SEGMENTS = 4096
"""Most segments before the first scan; split profiles and metadata take some hundreds. Bounds the time."""

_MOST_JUNK = 1_048_576
"""Most bytes of junk or fill (T.81 §B.1.1.2) before the first scan: 32 MB of it would hold the interpreter's
lock for seconds, as uploads are read outside of render processes too. A file with more is refused."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15; the three others are DHT, JPG and DAC."""

_LOSSLESS = frozenset({0xC3, 0xCB})
_READ_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Baseline, extended and progressive, by Huffman or (SOF9, SOF10) arithmetic coding."""

_ICC = b"ICC_PROFILE\x00"


class Segment(NamedTuple):
    """A marker, and the bounds of its payload. `is_orderly`: no junk before it, and a valid length."""

    marker: int
    at: int
    end: int
    is_orderly: bool


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The contents of a frame header (T.81 §B.2.2): marker, bits per sample, sides in px, components.

    `is_strict`: only well-formed segments stand between the start and the first scan.
    """

    marker: int
    precision: int
    width: int
    height: int
    components: int
    is_strict: bool = True

    @property
    def is_plain(self) -> bool:
        """Return whether it is 8-bit SOF0, SOF1 or SOF2, grey or three colours, in a well-formed file."""
        is_known = self.marker in (0xC0, 0xC1, 0xC2) and self.precision == 8
        return self.is_strict and is_known and self.components in (1, 3)


@dataclass(frozen=True, slots=True)
class Plain:
    """A JPEG that needs no other reader: 8-bit grey or colour, upright, in a well-formed file.

    Sides in px. `is_in_scans`: it has more than one scan. `profile`: its ICC profile, if complete.
    """

    width: int
    height: int
    bands: int
    is_in_scans: bool
    profile: bytes | None
    format: str = "uchar"


def segments(body: bytes) -> Iterator[Segment]:
    """Yield each segment up to the first scan's header, or until the file breaks off.

    Skips junk between segments as libjpeg does, so that both see the same frame: a reader that stopped at the
    junk would miss a frame that libjpeg goes on to decode.
    """
    at, junk_left = 2, _MOST_JUNK
    for _ in range(_MOST_SEGMENTS):
        marker = _MARKER.search(body, at, at + 2 + junk_left)
        if marker is None or marker.end() + 2 > len(body):
            return
        junk_left -= marker.start() - at
        code, start = body[marker.end() - 1], marker.end()
        length = 0 if code in _BARE else int.from_bytes(body[start : start + 2])
        end = start if code in _BARE else start + max(length, 2)  # libjpeg goes on after a length of 0 or 1
        if end > len(body):
            return
        yield Segment(code, min(start + 2, end), end, marker.start() == at and length >= 2)
        if code == SOS:
            return
        at = end


def frame(body: bytes) -> FrameHeader | None:
    """Return the one frame before the first scan; None if there are none or several. Never raises."""
    return _the_frame(body, segments(body))


def _the_frame(body: bytes, read: Iterable[Segment]) -> FrameHeader | None:
    found: list[FrameHeader] = []
    is_strict = body[:2] == b"\xff\xd8"
    for marker, at, end, is_orderly in read:
        is_strict = is_strict and is_orderly
        if marker in _FRAMES:
            found.append(_frame(marker, body[at:end]))
        elif marker == SOS and len(found) == 1 and found[0].components > 0:
            return replace(found[0], is_strict=is_strict)
    return None


def plain(body: bytes) -> Plain | None:
    """Return the facts of a plain JPEG; None if libvips must read the file. Never raises."""
    read = tuple(segments(body))  # once: four walks took a twentieth of a medium cover's time
    seen = _the_frame(body, read)
    if seen is None or not seen.is_plain or not seen.width or not seen.height:
        return None
    orientation, chunks = 0, []
    for marker, at, end, _ in read:
        if marker == APP1 and body[at : at + 6] == b"Exif\x00\x00":
            orientation = orientation or tiff.orientation(body[at + 6 : end])
        elif marker == APP2 and body[at : at + 12] == _ICC:
            chunks.append(body[at + 14 : end])
    profile = b"".join(chunks)
    if orientation not in (0, 1) or (profile and seen.components == 1):
        return None
    is_whole = profile and not icc.is_cut(profile) and not _part_of_a_profile(body, read)
    in_scans = _several_scans(body, read)
    return Plain(seen.width, seen.height, seen.components, in_scans, profile if is_whole else None)


def has_several_scans(body: bytes) -> bool:
    """Return whether the picture has more than one scan, so that all its coefficients must be in memory."""
    return _several_scans(body, segments(body))


def _several_scans(body: bytes, read: Iterable[Segment]) -> bool:
    components = progressive = 0
    for marker, at, end, _ in read:
        if marker in _FRAMES and end - at >= 6:
            components, progressive = body[at + 5], marker in (SOF2, 0xCA)
        elif marker == SOS and end > at:
            return bool(progressive) or body[at] < components
    return True


def _frame(marker: int, header: bytes) -> FrameHeader:
    """Parse a frame header; one with a wrong length gets no components."""
    if len(header) < 6 or len(header) != 6 + 3 * header[5]:
        return FrameHeader(marker, 0, 0, 0, 0)
    width, height = int.from_bytes(header[3:5]), int.from_bytes(header[1:3])
    return FrameHeader(marker, header[0], width, height, header[5])


def refusal(body: bytes) -> str | None:
    """Return why no decoder may read this JPEG; None if it may.

    A lossless JPEG (SOF3) cannot be shrunk while it is decoded, and no decoder here reports that: simplejpeg
    writes all of it past the end of the smaller picture's buffer; libvips returns the top left corner as the
    whole cover. The other refused kinds have no decoder here, and must not reach one that might guess.
    """
    seen = frame(body)
    if seen is None:
        return "a JPEG whose header cannot be read: it is truncated, or declares no picture, or several"
    if seen.marker in _LOSSLESS:
        return "a lossless JPEG, which cannot be shrunk safely; save it as a baseline JPEG or as PNG"
    if seen.marker not in _READ_FRAMES:
        return f"an unsupported kind of JPEG (SOF{seen.marker - SOF0}); save it as a baseline JPEG"
    if seen.precision != 8:
        return f"a JPEG with {seen.precision} bits per channel; save it with 8 bits"
    return None


def padded(body: bytes, least: int) -> bytes:
    """Pad a JPEG to *least* bytes with one comment segment (§B.2.4.5) after its start."""
    missing = least - len(body)
    if missing <= 0:
        return body
    filler = max(missing - 4, 0)  # marker and length take 4 bytes
    return body[:2] + b"\xff\xfe" + (filler + 2).to_bytes(2) + b" " * filler + body[2:]


def has_part_of_a_profile(body: bytes) -> bool:
    """Return whether the ICC profile is incomplete; it comes in numbered chunks (ICC.1 annex B.4)."""
    return _part_of_a_profile(body, segments(body))


def _part_of_a_profile(body: bytes, read: Iterable[Segment]) -> bool:
    chunks = [body[at + 12 : at + 14] for marker, at, end, _ in read
              if marker == APP2 and body[at : at + 12] == _ICC and end >= at + 14]  # fmt: skip
    numbers = [chunk[0] for chunk in chunks]
    return bool(chunks) and (
        len({chunk[1] for chunk in chunks}) > 1 or numbers != [*range(1, chunks[0][1] + 1)]
    )
