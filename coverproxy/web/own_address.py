"""Our own address of a book by its ISBN-13, found before the fifty patterns of other services."""

import re
from collections.abc import Iterator

from aiohttp import hdrs, web
from yarl import URL

from coverproxy.config import SizeTable
from coverproxy.domain.api_key import NAME_PATTERN
from coverproxy.web.shapes import librarything

_OWN = re.compile(
    rf"/devkey/{NAME_PATTERN}/([a-z0-9_-]{{1,32}})/isbn/97[89][0-9]{{10}}(?:\.(?:jpe?g|webp|avif))?"
)


class OwnAddress(web.AbstractResource):
    """The commonest address of all. It has no route of its own: the one of all covers' paths has it, too."""

    def __init__(self, sizes: SizeTable) -> None:
        super().__init__()
        self._sizes = sizes
        self._route = web.ResourceRoute(hdrs.METH_GET, librarything.cover, self)

    @property
    def canonical(self) -> str:
        """What the router finds it by: the beginning that all such paths share."""
        return "/devkey"

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return what the path leads to; None where it is another one."""
        path = request.rel_url.raw_path
        found = _OWN.fullmatch(path) if request.method in (hdrs.METH_GET, hdrs.METH_HEAD) else None
        if found is None or self._sizes.named(found[1]) is None:
            return None, set()
        return web.UrlMappingMatchInfo({"path": path[1:]}, self._route), set()

    def url_for(self, **kwargs: str) -> URL:
        """See AbstractResource."""
        return URL(self.canonical)

    def add_prefix(self, prefix: str) -> None:
        """See AbstractResource: nothing here is mounted below another path."""
        raise NotImplementedError

    def get_info(self) -> dict[str, str]:  # type: ignore[override] # all its keys are optional
        """See AbstractResource."""
        return {"path": self.canonical}

    def freeze(self) -> None:
        """See AbstractResource."""

    def raw_match(self, path: str) -> bool:
        """Return whether a route may be added to it: never."""
        return False

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(())
