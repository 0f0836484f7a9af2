"""The story of one cover, found or made once and counted; and everything else the service is asked."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile

from coverproxy.accounts.visitor import Visitor
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.negative import NegativeCache
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.concurrency.single_flight import SingleFlight
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.config import Size
from coverproxy.domain.editions import EditionLink, Relation
from coverproxy.domain.errors import Busy, NoCover
from coverproxy.domain.formats import Format
from coverproxy.domain.item_title import ItemTitle
from coverproxy.domain.original import Original, Quarantined
from coverproxy.domain.spec import ISBN, Identifier, Reading, Spec, Wanted
from coverproxy.imaging.render_pool import RenderPool
from coverproxy.originals.base import Catalogue
from coverproxy.service.better_formats import BetterFormats
from coverproxy.service.changes_json import ChangeList
from coverproxy.service.cover_info import InfoService, Known
from coverproxy.service.cover_maker import CoverMaker
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.find_covers import Sought
from coverproxy.service.health import Health
from coverproxy.service.held_covers import Found, Glance, HeldCovers, Seen
from coverproxy.service.holdings import BookHoldings, CacheRoom, Holdings
from coverproxy.service.links import lead
from coverproxy.service.maker import DerivativeMaker
from coverproxy.service.patience import Patience
from coverproxy.service.straight import Make, Outcome, StraightMaker
from coverproxy.stats.metrics import Metrics

FILE_THREADS = 2
"""Threads for disk lookups: hits never wait behind renders, which have their own.

Each keeps up to 16 MiB of the catalogue's pages, and because of the GIL more of them bring little.
"""

REMAKES = 2
"""Derivatives of older settings that a process remakes at once: covers that clients wait for come first."""

_LAST_SECONDS = 0.1
"""Time left for remakes when the service stops: nobody waits for them."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """A source: how many originals it gave, and its circuit breaker's state.

    "closed": it answers; "open": it is down and not asked; "half-open": it is being tried; None: not
    configured.
    """

    name: str
    originals: int
    state: str | None


class Covers:
    """The service. Its verbs are all that others call; its parts are private."""

    def __init__(
        self,
        *,
        held: HeldCovers,
        making: CoverMaker,
        straight: StraightMaker,
        flights: SingleFlight[Outcome],
        remakes: SingleFlight[None],
        absent: NegativeCache,
        cache: DiskCache,
        stripes: FileLocks,
        catalogue: Catalogue,
        maker: DerivativeMaker,
        renders: RenderPool,
        fetcher: OriginalFetcher,
        better: BetterFormats,
        metrics: Metrics,
        answer_within: float,
        lookups: WorkerThreads,
        health: Health,
        holdings: Holdings,
        books: InfoService,
    ) -> None:
        self._held = held
        self._making = making
        self._straight = straight
        self._flights = flights
        self._remakes = remakes
        self._absent = absent
        self._cache = cache
        self._stripes = stripes
        self._catalogue = catalogue
        self._maker = maker
        self._renders = renders
        self._fetcher = fetcher
        self._better = better
        self._metrics = metrics
        self._lookups = lookups
        self._health = health
        self._holdings = holdings
        self._books = books
        self._patience = Patience(answer_within)

    async def cover(
        self, wanted: Wanted, forms: Sequence[Format], visitor: Visitor, glance: Glance | None = None
    ) -> Found:
        """Return the cover that *visitor* wants, making it if necessary. A hit needs no quota, no database.

        *forms*: what the visitor would like, best first. All but the last are answered with if they exist
        already; the last is made. *glance*: what one at the disk has just shown of the first. Raises NoCover,
        QuotaUsedUp, TooFast, Busy, Pending, Unavailable.
        """
        identifier = await self._choose(wanted, visitor)
        specs = [Spec(identifier, wanted.size, form) for form in forms]
        found = await self._get(specs, visitor, glance)
        return self._awaited(found, specs) if len(specs) > 1 else found

    def _awaited(self, found: Found, specs: Sequence[Spec]) -> Found:
        """Wish for the best of *specs* that may come: the WebP if the AVIF was larger. Say so if one may."""
        better = takewhile(lambda each: each != found.spec, specs)
        if not any(map(self._better.wish, better)):
            return found
        self._metrics.interim.inc()
        return replace(found, is_interim=True)

    async def _get(self, specs: Sequence[Spec], visitor: Visitor, glance: Glance | None = None) -> Found:
        """Find a derivative, the best first, or make the last. Raises what cover() raises."""
        spec, mark = specs[-1], self._held.mark()
        if self._absent.has(str(spec), self._catalogue.change):
            raise NoCover(f"{spec.identifier} has no cover")
        found, unsure = self._held.at_once(specs, mark, glance)
        if found:
            return found
        seen = await self._made_or_seen(specs, unsure, visitor)
        if isinstance(seen, Found):
            return seen
        if seen.derivative:
            return self._held.remember(seen.spec, seen.derivative, mark)
        if seen.spec != spec:
            return await self._get_by_name(spec, seen.spec, visitor)
        if seen.older:
            self._remakes.start(str(spec), partial(self._making.remake, spec), REMAKES)
            return Found(seen.older, is_made=False, spec=spec)  # not into memory: a newer one follows
        return await self._make(spec, seen, visitor)

    async def _made_or_seen(
        self, specs: Sequence[Spec], unsure: Sequence[Spec], visitor: Visitor
    ) -> Found | Seen:
        """Make the last of *specs* in one go, else say what there is. Raises what cover() raises.

        *unsure*: those that may be there.
        """
        spec, looked_for = specs[-1], unsure or specs[-1:]
        if self._straight.may_begin(visitor) and str(spec) not in self._flights:
            make = partial(self._straight.make, looked_for, visitor)
            outcome = await self._flight(str(spec), make, visitor)
            if outcome is not None:
                return outcome
        self._refuse_early(spec, unsure, visitor)
        return await self._lookups.run(partial(self._held.look, looked_for, self._catalogue.change()))

    async def _make(self, spec: Spec, seen: Seen, visitor: Visitor) -> Found:
        """Make a derivative, or wait for the flight that makes it already. Raises what cover() raises."""
        self._renders.also_for(str(spec), visitor.key.counted_as)
        while True:
            outcome = await self._flight(str(spec), partial(self._making.make, seen, visitor), visitor)
            if isinstance(outcome, Found):  # else that flight only looked
                return outcome

    async def _flight(self, name: str, make: Make, visitor: Visitor) -> Outcome:
        """Wait for the flight of *name*, which *make* starts if there is none."""
        with self._patience.of(visitor, self._fetcher.expected_wait) as within:
            outcome, is_ours = await self._flights.join(
                name,
                make,
                within,
                lambda fault: fault.concerns(visitor.key.counted_as, visitor.is_automated),
            )
        return outcome if is_ours or not isinstance(outcome, Found) else replace(outcome, is_made=False)

    async def _get_by_name(self, spec: Spec, item: Spec, visitor: Visitor) -> Found:
        """Answer with the item's derivative, and link the name to it on disk."""
        change = self._catalogue.change()
        try:
            found = await self._get((item,), visitor)
        except NoCover:
            self._absent.add(str(spec), change)
            raise
        await self._lookups.run(partial(lead, self._catalogue, self._cache, self._stripes, spec, item))
        return replace(found, spec=spec, held=None)

    def _refuse_early(self, spec: Spec, unsure: Sequence[Spec], visitor: Visitor) -> None:
        """Raise Busy for a cover that would have to wait when the queue is full.

        Checks the disk once, on the event loop: under such a load each hop to a thread costs a tenth of a
        cover. So only when the queue is full, and not for covers in flight. *unsure*: what may be on disk
        with the current settings, of what the visitor would like.
        """
        if not self._is_full_for(spec, visitor.key.counted_as):
            return
        looked_for = unsure or ((spec,) if self._cache.may_have_other(spec) else ())
        if not any(map(self._held.exists, looked_for)):
            raise Busy("the render queue is full")

    def _is_full_for(self, spec: Spec, account: str) -> bool:
        is_full = self._renders.is_full_for(account) and str(spec) not in self._flights
        return is_full and not self._making.is_elsewhere

    def is_in_vain(self, spec: Spec, account: str) -> bool:
        """Return whether cover() would raise Busy at once for what is not on disk with the current settings.

        From memory alone. Not for what is known to be missing: that is answered otherwise.
        """
        is_full = self._is_full_for(spec, account) and not self._cache.may_have_other(spec)
        return is_full and not self._absent.has(str(spec), self._catalogue.change)

    async def _choose(self, wanted: Wanted, visitor: Visitor) -> Identifier:
        """Pick the reading that is meant. Most requests have only one, which costs nothing."""
        if len(wanted.identifiers) == 1:
            return wanted.identifiers[0]
        choose = partial(self._maker.choose, wanted.reading)
        try:
            return await self._lookups.run(choose)
        except NoCover:
            account = visitor.key.counted_as
            with self._patience.of(visitor, self._fetcher.expected_wait) as within:
                ask = self._fetcher.choose(wanted.reading, account, within)
                return await ask

    async def preview(self, original: Original, size: Size) -> bytes:
        """Render an original in *size*, for people. Raises Busy, NoCover, Unavailable."""
        return await self._making.preview(original, size)

    async def info(self, text: str, scheme: str = ISBN, farthest: Relation | None = None) -> Known:
        """Look *text* up; see InfoService.about(). Raises UnknownScheme, Unavailable."""
        return await self._books.about(text, scheme, farthest)

    async def have(self, texts: Iterable[str]) -> dict[str, bool | None]:
        """Return for each text whether it has a cover; None: invalid. Raises Busy, Unavailable."""
        return await self._books.have(texts)

    async def find(self, wanted: Mapping[str, Wanted], within: float) -> Sought:
        """Find which books have a cover, asking sources for *within* seconds. Raises Busy, Unavailable."""
        return await self._books.find(wanted, within)

    async def made(self, specs: Iterable[Spec]) -> set[Spec]:
        """Return those that are on this disk, so that they cost nobody anything."""
        return await self._lookups.run(lambda: {spec for spec in specs if self._held.exists(spec)})

    async def best(self, reading: Reading) -> Original | None:
        """Return the original that is shown for a reading, or None. Raises Unavailable."""
        return await self._holdings.best(reading)

    async def shown(self, items: Iterable[Identifier]) -> dict[Identifier, Original]:
        """Return the originals that items show, for those that show one. Raises Unavailable."""
        return await self._holdings.shown(items)

    async def book(self, identifier: Identifier) -> BookHoldings:
        """Return everything held of one book. Raises Unavailable."""
        return await self._holdings.book(identifier)

    async def original(self, identifier: Identifier, digest: bytes) -> Original | None:
        """Return an original of a book by its digest; None if there is none to show. Raises Unavailable."""
        return await self._holdings.original(identifier, digest)

    async def edition(self, identifier: Identifier, farthest: Relation) -> EditionLink | None:
        """Return the closest other edition with a cover, up to *farthest*. Raises Unavailable."""
        return await self._holdings.edition(identifier, farthest)

    async def editions(self, named: Identifier, most: int) -> list[EditionLink]:
        """Return at most *most* other editions that have a cover, closest first. Raises Unavailable."""
        return await self._holdings.editions(named, most)

    async def titles(self, items: Iterable[Identifier]) -> dict[Identifier, ItemTitle]:
        """Return what senders call items, for those that have a title. Raises Unavailable."""
        return await self._holdings.titles(items)

    async def number(self, item: Identifier) -> int:
        """Return an item's number; an item without one gets one by this. Raises Unavailable."""
        return await self._holdings.number(item)

    async def numbered(self, number: int) -> Identifier | None:
        """Return the item that has this number. Raises Unavailable."""
        return await self._holdings.numbered(number)

    async def purge(self, identifier: Identifier) -> int:
        """Remove every derivative of a book, under all its names; return how many files went."""
        return await self._holdings.purge(identifier)

    async def changes(self, since: int, limit: int, *, is_moment: bool) -> ChangeList:
        """Return what changed after a number, or a moment in seconds since 1970. Raises Unavailable."""
        return await self._holdings.changes(since, limit, is_moment=is_moment)

    async def quarantined(self) -> list[Quarantined]:
        """Return the quarantined originals, latest first. Raises Unavailable."""
        return await self._holdings.quarantined()

    async def corrupt(self) -> list[Original]:
        """Return originals that proved corrupt. Raises Unavailable."""
        return await self._holdings.corrupt()

    async def release(self, digest: bytes) -> int:
        """Let quarantined bytes be decoded again; return how many originals that frees."""
        return await self._holdings.release(digest)

    async def health(self) -> dict[str, str]:
        """Return health faults by component; empty when healthy."""
        return await self._health.faults()

    async def totals(self) -> tuple[int, int]:
        """Return how many (originals, identifiers) there are. Raises Unavailable."""
        return await self._holdings.totals()

    async def sample(self, most: int) -> list[Original]:
        """Return at most *most* originals, spread over the catalogue. Raises Unavailable."""
        return await self._holdings.sample(most)

    async def shelf(self, most: int, size: str, turn: int) -> list[Original]:
        """Return at most *most* covers that may be shown, preferably in the cache. Raises Unavailable."""
        return await self._holdings.shelf(most, size, turn)

    async def room(self) -> CacheRoom:
        """Return how full the cache is. Raises Unavailable."""
        return await self._holdings.room()

    async def sources(self) -> list[SourceReport]:
        """Return every source that gave an original or is configured. Raises Unavailable."""
        states, counts = self.source_states(), await self._holdings.by_source()
        return [
            SourceReport(name, counts.get(name, 0), states.get(name))
            for name in dict.fromkeys([*counts, *states])
        ]

    def source_states(self) -> dict[str, str]:
        """Return the circuit breaker's state by configured source."""
        return self._fetcher.states()

    async def close(self, within: float) -> None:
        """Finish covers and previews in progress, within so many seconds."""
        await asyncio.gather(self._flights.land(within), self._books.close(within))
        await self._remakes.land(_LAST_SECONDS)
