"""PNG chunks before the pixels: what the sample values mean, and how they are laid out."""

import struct
from dataclasses import dataclass

_SIGNATURE_BYTES = 8
_MOST_CHUNKS = 1024

_DISPLAY = 2.2
"""The display exponent that browsers assume."""

_UNSEEN = 0.05
"""Browsers (libpng) skip a correction that is closer to 1 than this."""


_MOST_NUMBER = 2**31 - 1
_LEAST_EXPONENT = 0.001
"""All but black is white with it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`exponent`: applied to each colour, from 0 to 1, for display; 1 changes nothing."""

    exponent: float
    is_interlaced: bool


def facts(body: bytes) -> Facts:
    """Read the chunks before the first pixels. gAMA counts only if no chunk names a colour space."""
    gamma, is_named = 0, False
    is_interlaced = len(body) > 28 and body[28] == 1
    at = _SIGNATURE_BYTES
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(body):
            break
        length, kind = struct.unpack_from(">I4s", body, at)
        if kind == b"IDAT":
            break
        if kind == b"gAMA" and length == 4:
            gamma = struct.unpack_from(">I", body, at + 8)[0]
        is_named = is_named or kind in (b"cICP", b"iCCP", b"sRGB")
        at += 12 + length
    return Facts(1.0 if is_named else _exponent(gamma), is_interlaced)


def _exponent(gamma: int) -> float:
    """Return the exponent for gAMA's number, 100,000 times the encoding exponent.

    0 and what has more than 31 bits is invalid (PNG §7.1). The result is one that libvips takes.
    """
    if not 0 < gamma <= _MOST_NUMBER:
        return 1.0
    exponent = max(100_000 / (gamma * _DISPLAY), _LEAST_EXPONENT)
    return 1.0 if abs(exponent - 1) < _UNSEEN else exponent
