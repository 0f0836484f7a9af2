"""ICC profiles: whether one is sRGB's own, and whether all of it is there."""

import hashlib

_SRGB = frozenset({"1d3fda2edb4a89ab60a23c5f7c7d81dd"})
"""MD5 of sRGB's own profile: "sRGB IEC61966-2.1" of Hewlett-Packard, which cameras and editors embed."""

_HEADER_BYTES = 128


def is_srgb(profile: bytes) -> bool:
    """Say whether a profile is sRGB's own.

    A seventh of the real covers bring it: its transform changed no pixel of theirs, and took a third of their
    time.
    """
    return hashlib.md5(profile, usedforsecurity=False).hexdigest() in _SRGB


def is_cut(profile: bytes) -> bool:
    """Say whether a profile is shorter than its header says (ICC.1 §7.2.2): half of one says nothing."""
    return len(profile) < _HEADER_BYTES or int.from_bytes(profile[:4]) > len(profile)
