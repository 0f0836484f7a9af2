"""WebP containers: sets right a length in the header that is not the file's (RFC 9649 §2.3)."""

_PICTURES = (b"VP8 ", b"VP8L", b"ANMF")
_MOST_CHUNKS = 4096


def with_true_length(body: bytes) -> bytes:
    """Return the file with a RIFF length that its bytes have, if its picture is whole; else as it is.

    libwebp waits for the bytes that a length too large promises, and refuses the file; browsers show it.
    """
    said = int.from_bytes(body[4:8], "little") + 8
    if said <= len(body) or not _has_whole_picture(body):
        return body
    return body[:4] + (len(body) - 8 & ~1).to_bytes(4, "little") + body[8:]


def _has_whole_picture(body: bytes) -> bool:
    """Return whether the file has a picture and no chunk breaks off."""
    at, is_there = 12, False
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(body):
            break
        length = int.from_bytes(body[at + 4 : at + 8], "little")
        if at + 8 + length > len(body):
            return False
        is_there = is_there or body[at : at + 4] in _PICTURES
        at += 8 + length + length % 2
    return is_there
