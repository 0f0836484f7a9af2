"""Addresses that are found before, or after, the fifty patterns of other services."""

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

_DOUBLED = re.compile("/+(?:devkey/+([^/]+)/+)?")


class RoutelessResource(web.AbstractResource):
    """Addresses without routes of their own, found by the beginning that they share."""

    start: str

    @property
    def canonical(self) -> str:
        """What the router finds it by."""
        return self.start

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


class OwnAddress(RoutelessResource):
    """The commonest address of all. It has no route of its own: the one of all covers' paths has it, too."""

    start = "/devkey"

    def __init__(self, sizes: SizeTable) -> None:
        super().__init__()
        self._sizes = sizes
        self._route = web.ResourceRoute(hdrs.METH_GET, librarything.cover, self)

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return what the path leads to; None where it is another one."""
        path = request.rel_url.raw_path
        found = _OWN.fullmatch(path) if request.method in (hdrs.METH_GET, hdrs.METH_HEAD) else None
        if found is None or self._sizes.named(found[1]) is None:
            return None, set()
        return web.UrlMappingMatchInfo({"path": path[1:]}, self._route), set()


class LooseAddress(RoutelessResource):
    """Addresses of other services with slashes too many, as where a configured base ends in one.

    Web servers in front merge slashes. Addresses that are not another service's are left to the routes that
    follow.
    """

    start = "/"

    def __init__(self, shapes: web.UrlDispatcher) -> None:
        super().__init__()
        self._shapes = shapes

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return what the path without these slashes leads to."""
        path = request.rel_url.raw_path
        if (fewer := strict(path)) == path:
            return None, set()
        address = request.rel_url.with_path(fewer, encoded=True)
        found = await self._shapes.resolve(request.clone(rel_url=address))
        return (found, set()) if found.http_exception is None else (None, set())


def strict(path: str) -> str:
    """Return a path without doubled slashes before an address and its key, and without those at its end."""
    bare = _DOUBLED.sub(lambda found: f"/devkey/{found[1]}/" if found[1] else "/", path, count=1)
    return bare.rstrip("/") or "/"
