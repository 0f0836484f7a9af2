"""ICC profiles: recognises sRGB's own, and incomplete ones."""

import hashlib

_SRGB = frozenset({"1d3fda2edb4a89ab60a23c5f7c7d81dd"})
"""MD5 of the common sRGB profile: "sRGB IEC61966-2.1" by Hewlett-Packard, which cameras and editors embed."""

_HEADER_BYTES = 128


def is_srgb(profile: bytes) -> bool:
    """Return whether a profile is sRGB's own.

    A seventh of the real covers carry it. Its transform changed none of their pixels and took a third of
    their render time.
    """
    return hashlib.md5(profile, usedforsecurity=False).hexdigest() in _SRGB


def is_cut(profile: bytes) -> bool:
    """Return whether a profile is shorter than its header says (ICC.1 §7.2.2), and so useless."""
    return len(profile) < _HEADER_BYTES or int.from_bytes(profile[:4]) > len(profile)
