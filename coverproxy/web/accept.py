"""Content negotiation: which format an `Accept` header wants (RFC 9110 §12.5.1)."""

import functools
from collections.abc import Mapping

from multidict import CIMultiDictProxy

from coverproxy.domain.formats import Format

_PREFERENCE = (Format.AVIF, Format.WEBP, Format.JPEG)
"""Between formats that a client likes equally, the smaller one."""


MAX_ACCEPT = 1000
"""Characters of an Accept header that are read; browsers send up to 200."""

MAX_KEPT = 300
"""Characters of one that may enter a cache: what a client sends must not fill our memory."""

_MOST_KEPT = 512


def accepted(headers: CIMultiDictProxy[str]) -> str:
    """Return what the client accepts: several lines of one header are one list (RFC 9110 §5.3).

    Of a longer one, the media ranges that lie whole within MAX_ACCEPT.
    """
    text = ", ".join(headers.getall("Accept", ()))
    return text if len(text) <= MAX_ACCEPT else text[:MAX_ACCEPT].rpartition(",")[0]


def negotiate(accept: str, formats: frozenset[Format]) -> Format:
    """Choose the format of *formats* that *accept* likes best; JPEG where it likes none.

    WebP and AVIF must be named: clients that send `image/*` or `*/*` may still not show them.
    """
    return (_kept_choice if len(accept) <= MAX_KEPT else _choice)(accept, formats)


def _choice(accept: str, formats: frozenset[Format]) -> Format:
    liked = _parse(accept)
    offered = {form: liked.get(form.media_type, 0.0) for form in formats}
    offered[Format.JPEG] = next(
        (liked[name] for name in ("image/jpeg", "image/*", "*/*") if name in liked), 0.0
    )
    best = max(offered.values())
    if best <= 0:
        return Format.JPEG
    return next(form for form in _PREFERENCE if offered.get(form) == best)


_kept_choice = functools.lru_cache(maxsize=_MOST_KEPT)(_choice)


def wants_json(accept: str) -> bool:
    """Say whether the client asks for JSON where a picture is: it names JSON, and takes no picture at all.

    axios, Angular and jQuery send `application/json, text/plain, */*` for whatever they ask: they take it.
    """
    liked = _liked(accept)
    takes_pictures = any(q > 0 for name, q in liked.items() if name == "*/*" or name.startswith("image/"))
    return _json(liked) > 0 and not takes_pictures


def prefers_json(accept: str) -> bool:
    """Say whether the client asks for JSON where a page is too: it names JSON, and likes no page as much."""
    liked = _liked(accept)
    return _json(liked) > liked.get("text/html", 0.0)


def wants_html(accept: str) -> bool:
    """Say whether the client names pages, as browsers do, and likes nothing for programs better."""
    liked = _liked(accept)
    return 0 < liked.get("text/html", 0.0) >= liked.get("application/json", 0.0)


def names_no_picture_as_much(accept: str) -> bool:
    """Say whether the client names pages, and neither JPEG, GIF nor JSON as much."""
    liked = _liked(accept)
    others = max(liked.get(name, 0.0) for name in ("image/jpeg", "image/gif", "application/json"))
    return liked.get("text/html", 0.0) > others


def _json(liked: Mapping[str, float]) -> float:
    return max(liked.get("application/json", 0.0), liked.get("application/problem+json", 0.0))


def _liked(accept: str) -> Mapping[str, float]:
    return (_kept_parse if len(accept) <= MAX_KEPT else _parse)(accept)


def _parse(accept: str) -> Mapping[str, float]:
    """Read media ranges and their q; a range with a q that is none is passed over."""
    liked: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((value for value in parameters if value.startswith("q=")), "q=1")
        if name and (quality := _quality(weight[2:])) is not None:
            liked[name] = max(quality, liked.get(name, 0.0))
    return liked


_kept_parse = functools.lru_cache(maxsize=_MOST_KEPT)(_parse)


def _quality(text: str) -> float | None:
    """Read a qvalue: 0 to 1 with at most three decimals."""
    if not text.replace(".", "", 1).isdecimal() or not text.isascii() or len(text) > 5:
        return None
    value = float(text)
    return value if value <= 1 else None
