"""The refusal of a cover that would wait in vain: prepared, it costs little more than a hit."""

from collections.abc import Callable

from aiohttp import web

from coverproxy.cache.disk import DiskCache
from coverproxy.config import Config
from coverproxy.domain import schemes
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.domain.errors import Busy
from coverproxy.domain.spec import ISBN, Identifier, Spec
from coverproxy.service.covers import Covers
from coverproxy.service.held_covers import Glance
from coverproxy.web import answers
from coverproxy.web.accept import accepted, is_navigation, opens_address, shortened, wants_json
from coverproxy.web.errors import meaning
from coverproxy.web.own_misses import Miss
from coverproxy.web.plain_head import PlainHead

LABEL = CoverStatus.PENDING


class EarlyRefusal:
    """Says who is refused before the router. All others get their answer from it, in whatever form they want.

    `head`, `body`: the answer, without what depends on the key and the time.
    """

    def __init__(self, covers: Covers, cache: DiskCache, config: Config) -> None:
        self._covers = covers
        self._layout = cache.layout
        busy = Busy("")
        made = answers.refusal(busy, meaning(busy), config.answers, is_strict=False, as_json=False)
        length = {"Content-Length": str(len(made.body)), "Server": answers.SERVER}
        self.head = answers.lines(made.headers | length)
        self.body = made.body

    def concerns(self, miss: Miss, wants_pixel: Callable[[], bool]) -> bool:
        """Return whether to refuse, with the pixel, a cover that is not on disk.

        *wants_pixel*: whether its client would get that.
        What the kernel's memory cannot tell is looked for on disk, once, on the event loop: under such a load
        a hop to a thread, and the way there, cost several times as much.
        """
        key, isbn, size, forms, glance = miss
        identifier = Identifier(ISBN, isbn)
        if not self._covers.is_in_vain(Spec(identifier, size, forms[-1]), key.counted_as):
            return False
        if key.strict or key.named_sizes_only or not wants_pixel():
            return False
        if schemes.sure(isbn) != identifier:  # 9790…, say, is printed music: the router's
            return False
        looked_for = forms if glance is Glance.UNSURE else forms[1:]
        return all(self._layout.is_missing(Spec(identifier, size, form)) for form in looked_for)


def wants_pixel(request: web.BaseRequest) -> bool:
    """Return whether a client gets the pixel where there is no cover: no program, and no opened address."""
    return not wants_json(accepted(request.headers)) and not is_navigation(request.headers)


def wants_pixel_at_once(head: PlainHead) -> bool:
    """Return the same for a request that nobody has parsed."""
    accept = shortened(head.accepts)
    return not wants_json(accept) and not opens_address(*head.fetch_metadata(), accept)
