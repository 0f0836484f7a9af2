"""Repairs JPEGs that browsers show whole although libjpeg warns. What it still warns about is damage."""

from coverproxy.imaging import jpeg

_EOI = b"\xff\xd9"

_ZEROS = 8
"""Fewer zeros at the end may be coded data."""


def repaired(body: bytes) -> bytes:
    """Rewrite the header without what libjpeg warns about, and add the end marker if only that is missing.

    Junk between segments is dropped. The JFIF revision and the Adobe colour transform become known ones, and
    a sequential scan's spectral selection becomes the only valid one (Samsung's cameras write 0 to 0). The
    entropy-coded data is unchanged.
    """
    parts = [body[:2]]
    is_sequential = False
    for marker, at, end, _ in jpeg.segments(body):
        is_sequential = is_sequential or marker in (jpeg.SOF0, jpeg.SOF1)
        if marker != jpeg.SOS and end - at == 0:  # a bare marker, or a segment of nothing
            continue
        payload = _straightened(marker, body[at:end], is_sequential=is_sequential)
        parts.append(bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2) + payload)
        if marker == jpeg.SOS:
            parts.append(_ended(body, end))
            return b"".join(parts)
    return body


def _straightened(marker: int, payload: bytes, *, is_sequential: bool) -> bytes:
    if marker == jpeg.APP0 and payload[:5] == b"JFIF\x00" and len(payload) > 5:
        return payload[:5] + b"\x01" + payload[6:]
    if marker == jpeg.APP14 and payload[:5] == b"Adobe" and len(payload) >= 12:
        return payload[:11] + bytes([min(payload[11], 1)]) + payload[12:]
    if marker == jpeg.SOS and is_sequential and len(payload) >= 6:
        return payload[:-3] + b"\x00\x3f\x00"
    return payload


def _ended(body: bytes, start: int) -> bytes:
    """Return the scans, which begin at *start*, with an end marker: added if no scan is missing.

    The decoder warns about any other missing data, except in the last row of blocks. Browsers show such a
    picture, and so do we.
    """
    scans = body[start:]
    if _EOI in scans or not _has_every_scan(body, start):
        return scans
    bare = scans.rstrip(b"\0")
    if len(scans) - len(bare) >= _ZEROS:  # a disk block that was never written, or a download's room
        scans = bare + b"\0" if bare.endswith(b"\xff") else bare
    return (scans[:-1] if scans.endswith(b"\xff") else scans) + _EOI


def _has_every_scan(body: bytes, start: int) -> bool:
    """Return whether the scans cover every coefficient of every component to its last bit (T.81 annex G).

    A progressive file truncated between two scans decodes without a warning, to a coarse picture.
    """
    seen = jpeg.frame(body)
    if seen is None:
        return False
    wanted = {(component, at) for component in range(seen.components) for at in range(64)}
    names: list[int] = []
    for header in _scan_headers(body, start):
        count = header[0]
        if len(header) < 4 + 2 * count:
            return False
        first, last, low = header[1 + 2 * count], header[2 + 2 * count], header[3 + 2 * count] & 15
        for name in header[1 : 1 + 2 * count : 2]:
            if name not in names:
                names.append(name)
            if low == 0:
                wanted -= {(names.index(name), at) for at in range(first, last + 1)}
    return not wanted


def _scan_headers(body: bytes, start: int) -> list[bytes]:
    """Return the payloads of all SOS segments; the first ends at *start*. Coded data never contains FF DA."""
    found = [body[at:end] for marker, at, end, _ in jpeg.segments(body) if marker == jpeg.SOS]
    at = start
    while (at := body.find(b"\xff\xda", at)) >= 0 and len(found) < 1000:
        found.append(body[at + 4 : at + 2 + int.from_bytes(body[at + 2 : at + 4])])
        at += 2
    return [header for header in found if header]
