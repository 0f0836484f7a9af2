"""The refusal of a cover that would wait in vain: prepared, it costs little more than a hit."""

from aiohttp import web

from coverproxy.cache.disk import DiskCache
from coverproxy.config import Config
from coverproxy.domain import schemes
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.domain.errors import Busy
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import ISBN, Identifier, Spec
from coverproxy.service.covers import Covers
from coverproxy.service.held_covers import Glance
from coverproxy.web import answers
from coverproxy.web.accept import accepted, is_navigation, wants_json
from coverproxy.web.errors import meaning
from coverproxy.web.own_misses import Miss

LABEL = CoverStatus.PENDING


class EarlyRefusal:
    """Says who is refused before the router. All others get their answer from it, in whatever form they want.

    `head`, `body`: the answer, without what depends on the key and the time.
    """

    def __init__(self, covers: Covers, cache: DiskCache, config: Config) -> None:
        self._covers = covers
        self._cache = cache
        busy = Busy("")
        made = answers.refusal(busy, meaning(busy), config.answers, is_strict=False, as_json=False)
        length = {"Content-Length": str(len(made.body)), "Server": answers.SERVER}
        self.head = answers.lines(made.headers | length)
        self.body = made.body

    def concerns(self, request: web.BaseRequest, miss: Miss) -> bool:
        """Return whether to refuse, with the pixel, a cover that is certainly not on disk."""
        if miss.glance is not Glance.MISSING:
            return False
        key, isbn, size, forms, _ = miss
        spec = Spec(Identifier(ISBN, isbn), size, forms[-1])
        if not self._covers.is_in_vain(spec, key.counted_as):
            return False
        if key.strict or key.named_sizes_only or not _wants_pixel(request):
            return False
        is_itself = schemes.sure(isbn) == spec.identifier  # 9790…, say, is printed music: the router's
        return is_itself and all(self._is_missing(spec.identifier, size, form) for form in forms[1:])

    def _is_missing(self, identifier: Identifier, size: str, form: Format) -> bool:
        """Return whether a cover certainly is not on disk."""
        try:
            return self._cache.glance(Spec(identifier, size, form)) is None
        except BlockingIOError:
            return False


def _wants_pixel(request: web.BaseRequest) -> bool:
    return not wants_json(accepted(request.headers)) and not is_navigation(request.headers)
