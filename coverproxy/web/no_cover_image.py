"""The picture for a missing cover, as a key's owner or a URL chooses."""

from pathlib import Path

from aiohttp import web

from coverproxy.config import MAX_PLACEHOLDER_BYTES, Site, Size
from coverproxy.domain.api_key import NO_COVER_CHOICES
from coverproxy.domain.formats import sniff
from coverproxy.storage import bounded_read
from coverproxy.web import answers, cards
from coverproxy.web.accept import accepted, is_navigation
from coverproxy.web.answers import Answer
from coverproxy.web.app_keys import CONFIG, KEY, SIZES, SPEC
from coverproxy.web.errors import Meaning

CHOICES = NO_COVER_CHOICES
"""Values of `?default=` that override the key's choice; 404 (and false) make errors."""

_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}


class OwnPicture:
    """The operator's own picture: its bytes and type, or nothing."""

    def __init__(self, site: Site) -> None:
        self.body = b""
        self.type = ""
        if site.placeholder:
            self.body = bounded_read.read(Path(site.placeholder), MAX_PLACEHOLDER_BYTES)[0]
            loader = sniff(self.body[:32])
            self.type = _TYPES[loader.value] if loader else "application/octet-stream"


OWN: web.AppKey[OwnPicture] = web.AppKey("own", OwnPicture)


def stand_in(request: web.Request, how: Meaning) -> Answer | None:
    """Return what to show instead of the pixel; None: the pixel.

    Only if there is no cover, or no valid identifier: a cover that may exist a moment later stays the pixel.
    """
    key = request.get(KEY)
    if key is None or how.keep != "missing":
        return None
    choice = request.query.get("default", "").lower() or key.no_cover
    if choice == "own" and (own := request.app[OWN]).body:
        return _answer(request, how, own.type, own.body)
    if choice == "card" and (_shows_svg(accepted(request.headers)) or is_navigation(request.headers)):
        return _answer(request, how, "image/svg+xml", _card(request))
    return None


def _shows_svg(accept: str) -> bool:
    """Return whether the client names SVG or pictures in general, as browsers do for an image.

    Other clients fetch for somebody else, and pass on only what they can decode: the pixel means "no cover"
    to them.
    """
    return "image/svg+xml" in accept.lower() or "image/*" in accept


def _answer(request: web.Request, how: Meaning, media_type: str, body: bytes) -> Answer:
    seconds = request.app[CONFIG].answers.missing_max_age_seconds
    headers = {
        **answers.COMMON,
        "X-Cover-Status": how.label,
        "Cache-Control": f"public, max-age={seconds}",
        "Content-Type": media_type,
    }
    return Answer(200, headers, body)


def _card(request: web.Request) -> bytes:
    size = _size(request)
    title, author = (request.query.get(name, "")[:400] for name in ("title", "author"))
    spec = request.get(SPEC)
    name = spec.identifier.value if spec else title
    return cards.draw(size.width, size.height, title, author, name)


def _size(request: web.Request) -> Size:
    """Return the size that the path names; large for one with all pixels of a cover that is not there."""
    table = request.app[SIZES]
    named = (table.named(part.lower()) for part in request.path.split("/"))
    size = table.sizes[next(filter(None, named), next(iter(table.sizes)))]
    return table.sizes["large"] if size.fit == "full" else size
