"""What the service holds: originals and derivatives, for pages and for administrators."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from coverproxy.cache.budget import DiskBudget
from coverproxy.cache.disk import DiskCache, HeldFile
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.domain.editions import EditionLink, Relation, closest_first
from coverproxy.domain.errors import NoCover, Unavailable
from coverproxy.domain.formats import Format
from coverproxy.domain.item_title import ItemTitle
from coverproxy.domain.original import Original, Quarantined
from coverproxy.domain.spec import Identifier, Reading, Spec
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import release
from coverproxy.originals.files import OriginalFiles
from coverproxy.service.bring import purge_second
from coverproxy.service.changes_json import ChangeList, changes_since
from coverproxy.service.invalidate import Invalidator
from coverproxy.service.maker import DerivativeMaker
from coverproxy.service.other_editions import nearest

T = TypeVar("T")

MOST_ORIGINALS = 50
"""Originals of one book that are looked at."""

MOST_ELSEWHERE = 20
"""Other books with the same picture that are named."""

_MOST_LINKS = 500
"""Links to other editions that are looked at."""

_SAMPLED_PER_SHOWN = 2
"""Originals sampled for each cover of the shelf: some may not be shown, and some are in the cache."""

MOST_QUARANTINED = 100
MOST_CORRUPT = 50


@dataclass(frozen=True, slots=True)
class HeldOriginal:
    """An original, whether its file exists, and other books that have the same picture."""

    original: Original
    is_present: bool
    elsewhere: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True)
class BookHoldings:
    """Everything held of one book: its names, the item's own first; originals, best first; derivatives."""

    names: tuple[Identifier, ...]
    originals: tuple[HeldOriginal, ...]
    derivatives: tuple[HeldFile, ...]


@dataclass(frozen=True, slots=True)
class CacheRoom:
    """Size of the cache, and free space on its disk, in bytes."""

    held_bytes: int
    free_bytes: int


class Holdings:
    """Looks into catalogue, originals and cache, in *threads*, and removes what administrators remove.

    Uses the threads that look up covers, since each thread that queries the catalogue caches pages of it.
    Every method raises Unavailable if the data folder cannot be read, except purge().
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        files: OriginalFiles,
        cache: DiskCache,
        room: DiskBudget,
        invalidator: Invalidator,
        maker: DerivativeMaker,
        now: Callable[[], float],
        threads: WorkerThreads,
    ) -> None:
        self._catalogue = catalogue
        self._files = files
        self._cache = cache
        self._room = room
        self._invalidator = invalidator
        self._maker = maker
        self._now = now
        self._threads = threads

    async def totals(self) -> tuple[int, int]:
        """Return how many (originals, identifiers) there are."""
        return await self._ask(self._catalogue.totals)

    async def by_source(self) -> dict[str, int]:
        """Return the number of originals by source, most first."""
        return dict(await self._ask(self._catalogue.sources))

    async def sample(self, most: int) -> list[Original]:
        """Return at most *most* originals, spread over the catalogue."""
        return await self._ask(partial(self._catalogue.sample, most))

    async def shelf(self, most: int, size: str, turn: int) -> list[Original]:
        """Return at most *most* covers that may be shown, spread over the catalogue.

        Those that exist in *size* come first. *turn*: another one shows others, where there are enough. It
        costs a few probes per cover, however large the catalogue is.
        """
        return await self._ask(partial(self._shelf, most, size, turn))

    def _shelf(self, most: int, size: str, turn: int) -> list[Original]:
        found: dict[bytes, Original] = {}
        for each in self._catalogue.sample(_SAMPLED_PER_SHOWN * most, turn):
            with suppress(NoCover):  # nothing of this item may be shown
                best = self._maker.originals(each.identifier)[0]
                found.setdefault(best.digest, replace(best, identifier=each.identifier))
        return sorted(found.values(), key=lambda each: not self._is_held(each, size))[:most]

    def _is_held(self, original: Original, size: str) -> bool:
        return self._cache.length(Spec(original.identifier, size, Format.JPEG)) is not None

    async def best(self, reading: Reading) -> Original | None:
        """Return the original that is shown for a reading, under the identifier that is meant, or None."""
        return await self._ask(partial(self._best, reading))

    def _best(self, reading: Reading) -> Original | None:
        try:
            book = self._maker.choose(reading)
            return replace(self._maker.originals(book)[0], identifier=book)
        except NoCover:
            return None

    async def shown(self, items: Iterable[Identifier]) -> dict[Identifier, Original]:
        """Return the originals that items show, for those that show one."""
        return await self._ask(partial(self._shown, tuple(items)))

    def _shown(self, items: tuple[Identifier, ...]) -> dict[Identifier, Original]:
        best = {each: next(filter(_is_usable, self._catalogue.of_item(each)), None) for each in items}
        return {each: found for each, found in best.items() if found}

    async def book(self, identifier: Identifier) -> BookHoldings:
        """Return everything held of one book."""
        return await self._ask(partial(self._book, identifier))

    def _book(self, identifier: Identifier) -> BookHoldings:
        names = self._catalogue.aliases.names(identifier)
        found = self._catalogue.of_item(identifier)[:MOST_ORIGINALS]
        held = tuple(self._cache.held(names[0]))
        return BookHoldings(names, tuple(map(self._held, found)), held)

    def _held(self, each: Original) -> HeldOriginal:
        same = self._catalogue.with_digest(each.digest, MOST_ELSEWHERE)
        others = tuple(one.identifier for one in same if one.identifier != each.identifier)
        return HeldOriginal(each, self._files.path(each).exists(), others)

    async def original(self, identifier: Identifier, digest: bytes) -> Original | None:
        """Return an original of a book by its digest; None if there is none to show."""
        found = await self._ask(partial(self._catalogue.of_item, identifier))
        return next((each for each in found if each.digest == digest and not each.is_held), None)

    async def edition(self, identifier: Identifier, farthest: Relation) -> EditionLink | None:
        """Return the closest other edition with a cover, up to *farthest*."""
        return await self._threads.run(partial(nearest, self._catalogue, identifier, farthest))

    async def editions(self, named: Identifier, most: int) -> list[EditionLink]:
        """Return the closest other editions that have a cover."""
        return await self._ask(partial(self._editions, named, most))

    def _editions(self, named: Identifier, most: int) -> list[EditionLink]:
        names = self._catalogue.aliases.names(named)
        links = [link for name in names for link in self._catalogue.editions.of(name, _MOST_LINKS)]
        near = [each for each in closest_first(links, Relation.TRANSLATION) if each.other not in names]
        covered = self._catalogue.covered({each.other for each in near})
        return [each for each in near if each.other in covered][:most]

    async def titles(self, items: Iterable[Identifier]) -> dict[Identifier, ItemTitle]:
        """Return what senders call items, under any name of theirs, for those that have a title."""
        return await self._ask(partial(self._titles, frozenset(items)))

    def _titles(self, items: frozenset[Identifier]) -> dict[Identifier, ItemTitle]:
        names = self._catalogue.aliases.linked(items)
        found = self._catalogue.titles.of(items.union(*names.values()))
        own = {each: (each, *names.get(each, ())) for each in items}
        titles = {each: next(filter(None, map(found.get, some)), None) for each, some in own.items()}
        return {each: title for each, title in titles.items() if title}

    async def number(self, item: Identifier) -> int:
        """Return an item's number; an item without one gets one by this."""
        return await self._threads.run(partial(self._catalogue.aliases.number, item))

    async def numbered(self, number: int) -> Identifier | None:
        """Return the item that has this number."""
        return await self._threads.run(partial(self._catalogue.aliases.numbered, number))

    async def purge(self, identifier: Identifier) -> int:
        """Remove every derivative of a book, under all its names; return how many files went.

        Raises StoreUnavailable, OSError.
        """
        objects, at = self._files.objects, int(self._now())
        await self._threads.run(partial(purge_second, objects, self._catalogue, [identifier], at))
        work = partial(self._invalidator.purge_by_hand, identifier, at)
        return await self._threads.run(work)

    async def changes(self, since: int, limit: int, *, is_moment: bool) -> ChangeList:
        """Return what changed after a number, or a moment in seconds since 1970."""
        return await self._threads.run(partial(self._changes, since, limit, is_moment=is_moment))

    def _changes(self, since: int, limit: int, *, is_moment: bool) -> ChangeList:
        number = self._catalogue.changed.before(since) if is_moment else since
        return changes_since(self._catalogue, number, limit)

    async def quarantined(self) -> list[Quarantined]:
        """Return the quarantined originals, latest first."""
        return (await self._ask(self._catalogue.quarantined))[:MOST_QUARANTINED]

    async def corrupt(self) -> list[Original]:
        """Return originals that proved corrupt."""
        return await self._ask(partial(self._catalogue.corrupt, MOST_CORRUPT))

    async def release(self, digest: bytes) -> int:
        """Let quarantined bytes be decoded again; return how many originals that frees."""
        return await self._ask(partial(self._release, digest))

    def _release(self, digest: bytes) -> int:
        freed = release(self._catalogue, digest, int(self._now()))
        self._invalidator.drop_stale()
        return len(freed)

    async def room(self) -> CacheRoom:
        """Return how full the cache is."""
        return await self._ask(lambda: CacheRoom(self._room.held(), self._room.free().bytes))

    async def _ask(self, look: Callable[[], T]) -> T:
        try:
            return await self._threads.run(look)
        except OSError as exc:
            raise Unavailable("the data folder cannot be read") from exc


def _is_usable(original: Original) -> bool:
    return original.is_usable
