"""Content negotiation: which format an `Accept` header wants (RFC 9110 §12.5.1)."""

import functools
from collections.abc import Mapping

from multidict import CIMultiDictProxy

from coverproxy.domain.formats import Format

_PREFERENCE = (Format.AVIF, Format.WEBP, Format.JPEG)
"""Between formats that a client likes equally, the smaller one."""


def accepted(headers: CIMultiDictProxy[str]) -> str:
    """Return what the client accepts: several lines of one header are one list (RFC 9110 §5.3)."""
    return ", ".join(headers.getall("Accept", ()))


@functools.lru_cache(maxsize=1024)
def negotiate(accept: str, formats: frozenset[Format]) -> Format:
    """Choose the format of *formats* that *accept* likes best; JPEG where it likes none.

    WebP and AVIF must be named: clients that send `image/*` or `*/*` may still not show them.
    """
    liked = _parse(accept)
    offered = {form: liked.get(form.media_type, 0.0) for form in formats}
    offered[Format.JPEG] = next(
        (liked[name] for name in ("image/jpeg", "image/*", "*/*") if name in liked), 0.0
    )
    best = max(offered.values())
    if best <= 0:
        return Format.JPEG
    return next(form for form in _PREFERENCE if offered.get(form) == best)


@functools.lru_cache(maxsize=1024)
def wants_json(accept: str) -> bool:
    """Say whether the client is a program that asks for JSON, and not also for pictures."""
    liked = _parse(accept)
    json = max(liked.get("application/json", 0.0), liked.get("application/problem+json", 0.0))
    pictures = max((q for name, q in liked.items() if name.startswith("image/")), default=0.0)
    return json > pictures


@functools.lru_cache(maxsize=1024)
def wants_html(accept: str) -> bool:
    """Say whether the client names pages, as browsers do, and likes nothing for programs better."""
    liked = _parse(accept)
    return 0 < liked.get("text/html", 0.0) >= liked.get("application/json", 0.0)


def _parse(accept: str) -> Mapping[str, float]:
    """Read media ranges and their q; a range with a q that is none is passed over."""
    liked: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((value for value in parameters if value.startswith("q=")), "q=1")
        if name and (quality := _quality(weight[2:])) is not None:
            liked[name] = max(quality, liked.get(name, 0.0))
    return liked


def _quality(text: str) -> float | None:
    """Read a qvalue: 0 to 1 with at most three decimals."""
    if not text.replace(".", "", 1).isdecimal() or not text.isascii() or len(text) > 5:
        return None
    value = float(text)
    return value if value <= 1 else None
