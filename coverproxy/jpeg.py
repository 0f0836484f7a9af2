"""JPEG segments: a comment that pads, and headers straightened where a camera bent the standard (T.81)."""

from collections.abc import Iterator

_SOF0, _SOF1, _SOS, _APP0, _APP14 = 0xC0, 0xC1, 0xDA, 0xE0, 0xEE


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
