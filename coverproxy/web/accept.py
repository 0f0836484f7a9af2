"""Content negotiation: which format and which language a client wants (RFC 9110 §12.5)."""

import functools
from collections.abc import Mapping, Sequence

from multidict import CIMultiDictProxy

from coverproxy.domain.formats import Format

_PREFERENCE = (Format.AVIF, Format.WEBP, Format.JPEG)
"""Order of preference between formats that a client accepts equally: the smaller first."""


MAX_ACCEPT = 1000
"""Longest Accept header that is read, in characters; browsers send up to 200."""

MAX_KEPT = 300
"""Longest Accept header that enters a cache: client input must not fill our memory."""

_MOST_KEPT = 512


def accepted(headers: CIMultiDictProxy[str]) -> str:
    """Return the Accept header, as shortened() does."""
    return shortened(headers.getall("Accept", ()))


def shortened(accepts: Sequence[str]) -> str:
    """Return Accept headers as one; several lines of one header form one list (RFC 9110 §5.3).

    Of a longer header, only the media ranges that are complete within MAX_ACCEPT.
    """
    text = ", ".join(accepts)
    return text if len(text) <= MAX_ACCEPT else text[:MAX_ACCEPT].rpartition(",")[0]


def choices(accept: str, formats: frozenset[Format], offered: frozenset[Format]) -> tuple[Format, ...]:
    """Return the formats for a client, its favourite first; the last is the one to make for it.

    JPEG comes last, after the *offered* formats that the client names with the same weight; these are served
    where they exist. A client that does not take JPEG gets its best of *formats*, the enabled ones.
    WebP and AVIF must be named: clients that send `image/*` or `*/*` may not be able to show them.
    """
    return (_kept_choices if len(accept) <= MAX_KEPT else _choices)(accept, formats, offered)


def _choices(accept: str, formats: frozenset[Format], offered: frozenset[Format]) -> tuple[Format, ...]:
    liked = _parse(accept)
    jpeg = _likes_jpeg(liked)
    if jpeg <= 0:
        return (_choice(accept, formats),)
    named = {form: liked.get(form.media_type, 0.0) for form in offered & formats}
    better = [form for form in _PREFERENCE if named.get(form, 0.0) >= jpeg]
    return (*sorted(better, key=lambda form: -named[form]), Format.JPEG)


_kept_choices = functools.lru_cache(maxsize=_MOST_KEPT)(_choices)


def _likes_jpeg(liked: Mapping[str, float]) -> float:
    return next((liked[name] for name in ("image/jpeg", "image/*", "*/*") if name in liked), 0.0)


def _choice(accept: str, formats: frozenset[Format]) -> Format:
    liked = _parse(accept)
    offered = {form: liked.get(form.media_type, 0.0) for form in formats}
    offered[Format.JPEG] = _likes_jpeg(liked)
    best = max(offered.values())
    if best <= 0:
        return Format.JPEG
    return next(form for form in _PREFERENCE if offered.get(form) == best)


def wants_json(accept: str) -> bool:
    """Return whether the client wants JSON at a picture's address: it names JSON and accepts no pictures.

    axios, Angular and jQuery send `application/json, text/plain, */*` with every request: they accept
    pictures.
    """
    liked = _liked(accept)
    takes_pictures = any(q > 0 for name, q in liked.items() if name == "*/*" or name.startswith("image/"))
    return _json(liked) > 0 and not takes_pictures


def prefers_json(accept: str) -> bool:
    """Return whether the client wants JSON at a page's address: it names JSON, and prefers it to HTML."""
    liked = _liked(accept)
    return _json(liked) > liked.get("text/html", 0.0)


def wants_json_ld(accept: str) -> bool:
    """Return whether the client names JSON-LD, and does not prefer plain JSON."""
    liked = _liked(accept)
    return 0 < liked.get("application/ld+json", 0.0) >= liked.get("application/json", 0.0)


def wants_html(accept: str) -> bool:
    """Return whether the client names HTML, as browsers do, and does not prefer JSON."""
    liked = _liked(accept)
    return 0 < liked.get("text/html", 0.0) >= liked.get("application/json", 0.0)


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header allows gzip (RFC 9110 §12.5.3); no header: no."""
    liked = _parse(accept_encoding[:MAX_ACCEPT])
    return liked.get("gzip", liked.get("x-gzip", liked.get("*", 0.0))) > 0


def language(accept_language: str, offered: Sequence[str]) -> str:
    """Choose one of *offered* for an Accept-Language header (RFC 4647 §3.4); the first if none fits.

    `de-AT` fits `de` too. Of those liked equally, the one named first.
    """
    liked = _parse(accept_language[:MAX_ACCEPT])
    known = {each.lower(): each for each in offered}
    for name in sorted((each for each in liked if liked[each] > 0), key=lambda each: -liked[each]):
        parts = name.split("-")
        for length in range(len(parts), 0, -1):
            if found := known.get("-".join(parts[:length])):
                return found
    return offered[0]


def names_no_picture_as_much(accept: str) -> bool:
    """Return whether the client names HTML, and prefers it to JPEG, GIF and JSON."""
    liked = _liked(accept)
    others = max(liked.get(name, 0.0) for name in ("image/jpeg", "image/gif", "application/json"))
    return liked.get("text/html", 0.0) > others


def is_navigation(headers: CIMultiDictProxy[str]) -> bool:
    """Return whether a browser opens the address itself; see opens_address()."""
    mode, dest = headers.get("Sec-Fetch-Mode", ""), headers.get("Sec-Fetch-Dest", "")
    return opens_address(mode, dest, accepted(headers))


def opens_address(mode: str, dest: str, accept: str) -> bool:
    """Return whether a browser with these headers opens the address itself.

    Over https, browsers say so in Sec-Fetch-Mode and Sec-Fetch-Dest. Over http, Accept tells: browsers name
    text/html without JPEG or GIF. Java names both, and wants a picture.
    """
    if mode or dest:
        return mode == "navigate" or dest == "document"
    return names_no_picture_as_much(accept)


def _json(liked: Mapping[str, float]) -> float:
    return max(liked.get("application/json", 0.0), liked.get("application/problem+json", 0.0))


def _liked(accept: str) -> Mapping[str, float]:
    return (_kept_parse if len(accept) <= MAX_KEPT else _parse)(accept)


def _parse(accept: str) -> Mapping[str, float]:
    """Parse media ranges and their q; a range with an invalid q is skipped."""
    liked: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((value for value in parameters if value.startswith("q=")), "q=1")
        if name and (quality := _quality(weight[2:])) is not None:
            liked[name] = max(quality, liked.get(name, 0.0))
    return liked


_kept_parse = functools.lru_cache(maxsize=_MOST_KEPT)(_parse)


def _quality(text: str) -> float | None:
    """Parse a qvalue: 0 to 1 with at most three decimals."""
    if not text.replace(".", "", 1).isdecimal() or not text.isascii() or len(text) > 5:
        return None
    value = float(text)
    return value if value <= 1 else None
