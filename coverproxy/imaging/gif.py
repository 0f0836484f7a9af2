"""GIF headers: where the first picture lies on its canvas (GIF89a §18 to §20)."""

_SCREEN_BYTES = 13
_MOST_BLOCKS = 1024
_MOST_SUB_BLOCKS = 100_000
"""Of extensions, of up to 255 bytes each: 32 MB in blocks of one byte would take seconds."""

Frame = tuple[int, int, int, int]
"""Left, top, width, height in px."""


def first_frame(body: bytes) -> Frame | None:
    """Return where the first picture lies; None if none can be found. Never raises."""
    blocks_left = _MOST_SUB_BLOCKS
    at = _SCREEN_BYTES + _table_bytes(body[10:11])
    for _ in range(_MOST_BLOCKS):
        kind = body[at : at + 1]
        if kind == b"\x2c" and at + 9 <= len(body):
            left, top, width, height = (
                int.from_bytes(body[at + i : at + i + 2], "little") for i in (1, 3, 5, 7)
            )
            return left, top, width, height
        if kind != b"\x21":  # not an extension: the end, or damage
            return None
        at += 2
        while (length := int.from_bytes(body[at : at + 1])) > 0:
            at += 1 + length
            blocks_left -= 1
            if not blocks_left:
                return None
        at += 1
    return None


def _table_bytes(flags: bytes) -> int:
    """Return the length of the global colour table."""
    return 3 << (flags[0] % 8 + 1) if flags and flags[0] & 0x80 else 0
