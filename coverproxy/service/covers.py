"""The story of one cover: found, or made once and counted."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.charge import Charge
from coverproxy.accounts.visitor import Visitor
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.memory import Memory, MemoryEntry
from coverproxy.cache.negative import NegativeCache
from coverproxy.cache.second_tier import SecondTier
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.concurrency.leases import Leases, NoLeases
from coverproxy.concurrency.single_flight import SingleFlight
from coverproxy.config import Limits, Size
from coverproxy.domain.api_key import abridged
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import Busy, CoverError, NoCover, StoreUnavailable, Unavailable
from coverproxy.domain.formats import Format
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier, Spec, Wanted
from coverproxy.imaging.render_pool import INTERNAL, Place, RenderPool
from coverproxy.originals.base import Catalogue
from coverproxy.originals.files import OriginalFiles
from coverproxy.service.better_formats import BetterFormats
from coverproxy.service.bring import awaited, bring, purge_second
from coverproxy.service.cover_faults import Faults
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.invalidate import purge_by_hand
from coverproxy.service.links import lead
from coverproxy.service.looks import readable, with_original
from coverproxy.service.maker import Attempts, DerivativeMaker
from coverproxy.service.patience import Patience
from coverproxy.stats.base import Notes
from coverproxy.stats.metrics import Metrics

T = TypeVar("T")

_log = logging.getLogger(__name__)

FILE_THREADS = 2
"""Threads for disk lookups: hits never wait behind renders, which have their own.

Each keeps up to 16 MiB of the catalogue's pages, and because of the GIL more of them bring little.
"""


REMAKES = 2
"""Derivatives of older settings that a process remakes at once: covers that clients wait for come first."""


@dataclass(frozen=True, slots=True)
class Found:
    """A cover to answer with; whether this request had it made; its spec; `held`: its memory entry.

    `is_interim`: a better format is to follow soon.
    """

    derivative: Derivative
    is_made: bool
    spec: Spec
    held: MemoryEntry | None = None
    is_interim: bool = False


@dataclass(frozen=True)
class Covers:
    """The service: all its parts, and the story that they tell together."""

    cache: DiskCache
    memory: Memory
    flights: SingleFlight[Found]
    absent: NegativeCache
    stripes: FileLocks
    catalogue: Catalogue
    files: OriginalFiles
    renders: RenderPool
    guard: DecodeGuard
    accounts: Accounts
    metrics: Metrics
    sizes: Mapping[str, Size]
    limits: Limits
    answer_within: float
    lookups: ThreadPoolExecutor
    asking: OriginalFetcher
    better: BetterFormats
    notes: Notes
    leases: Leases = field(default_factory=NoLeases)
    unheard: Callable[[], str] = lambda: ""
    second: SecondTier | None = None
    maker: DerivativeMaker = field(init=False)
    patience: Patience = field(init=False)
    faults: Faults = field(init=False)
    remakes: SingleFlight[None] = field(init=False, default_factory=SingleFlight)

    def __post_init__(self) -> None:
        quick = {name: size.quick for name, size in self.sizes.items()}
        maker = DerivativeMaker(
            self.cache, self.catalogue, self.files, self.metrics, quick, self.limits, self.second
        )
        object.__setattr__(self, "maker", maker)
        object.__setattr__(self, "patience", Patience(self.answer_within))
        faults = Faults(
            self.cache, self.stripes, self.catalogue, self.files, self.guard, self.asking, tuple(self.sizes)
        )
        object.__setattr__(self, "faults", faults)

    async def cover(self, wanted: Wanted, forms: Sequence[Format], visitor: Visitor) -> Found:
        """Return the cover that *visitor* wants, making it if necessary. A hit needs no quota, no database.

        *forms*: what the visitor would like, best first. All but the last are answered with if they exist
        already; the last is made. Raises NoCover, QuotaExceeded, TooFast, Busy, Pending, Unavailable.
        """
        identifier = await self._choose(wanted, visitor)
        *better, spec = (Spec(identifier, wanted.size, form) for form in forms)
        if self.absent.has(str(spec), self.catalogue.change):
            raise NoCover(f"{identifier} has no cover")
        for each in better:
            if found := self._held(each) or await self._on_disk(each):
                return self._awaited(found, better[0])
        found = await self._get(spec, visitor)
        return self._awaited(found, better[0]) if better else found

    def _awaited(self, found: Found, best: Spec) -> Found:
        """Wish for *best* unless it is what was found, and say so where it may come soon."""
        if found.spec == best or not self.better.wish(best):
            return found
        self.metrics.interim.inc()
        return replace(found, is_interim=True)

    def _held(self, spec: Spec) -> Found | None:
        """Return the cover from memory."""
        held = self.memory.get(str(spec))
        if held is None or held.derivative is None:
            return None
        return Found(held.derivative, is_made=False, spec=spec, held=held)

    async def _on_disk(self, spec: Spec) -> Found | None:
        mark = self.memory.mark()
        try:
            derivative = self._glance(spec)
        except BlockingIOError:
            derivative = await self._off_loop(partial(self._find, spec))
        return self._remembered(spec, derivative, mark) if derivative else None

    def _glance(self, spec: Spec) -> Derivative | None:
        """Look on disk if that does not wait. Raises BlockingIOError if a thread has to look."""
        derivative = self.cache.glance(spec)
        if derivative and derivative.original is None:
            raise BlockingIOError("the catalogue knows its original's size")
        return derivative

    def _remembered(self, spec: Spec, derivative: Derivative, mark: bytes) -> Found:
        """Hold in memory what was found on disk after memory.mark() gave *mark*."""
        return Found(derivative, is_made=False, spec=spec, held=self.memory.put(str(spec), derivative, mark))

    async def _get(self, spec: Spec, visitor: Visitor) -> Found:
        """Find a derivative, or make it. Raises what cover() raises."""
        if found := self._held(spec):
            return found
        if self.absent.has(str(spec), self.catalogue.change):
            raise NoCover(f"{spec.identifier} has no cover")
        mark = self.memory.mark()
        with contextlib.suppress(BlockingIOError):
            if derivative := self._glance(spec):
                return self._remembered(spec, derivative, mark)
        self._refuse_early(spec, visitor)
        looked = await self._off_loop(partial(self._find_or_name, spec))
        if isinstance(looked, Derivative):
            return self._remembered(spec, looked, mark)
        if looked != spec:
            return await self._get_by_name(spec, looked, visitor)
        if older := await self._off_loop(partial(self._find_older, spec)):
            self.remakes.start(str(spec), partial(self._remake, spec), REMAKES)
            return Found(older, is_made=False, spec=spec)  # not into memory: a newer one follows
        self.renders.also_for(str(spec), visitor.key.counted_as)
        with self.patience.of(visitor) as within:
            found, is_ours = await self.flights.join(
                str(spec),
                partial(self._make_or_remember, spec, visitor),
                within,
                lambda fault: fault.concerns(visitor.key.counted_as, visitor.is_automated),
            )
        return found if is_ours else replace(found, is_made=False)

    async def _get_by_name(self, spec: Spec, item: Spec, visitor: Visitor) -> Found:
        """Answer with the item's derivative, and link the name to it on disk."""
        change = self.catalogue.change()
        try:
            found = await self._get(item, visitor)
        except NoCover:
            self.absent.add(str(spec), change)
            raise
        await self._off_loop(partial(lead, self.catalogue, self.cache, self.stripes, spec, item))
        return replace(found, spec=spec, held=None)

    def _refuse_early(self, spec: Spec, visitor: Visitor) -> None:
        """Raise Busy for a cover that would have to wait when the queue is full.

        Checks the disk once, on the event loop: under such a load each hop to a thread costs a tenth of a
        cover. So only when the queue is full, and not for covers in flight.
        """
        if not self.renders.is_full_for(visitor.key.counted_as) or str(spec) in self.flights:
            return
        if self.second and not self.second.objects.fault:  # another node may have made it
            return
        if self.cache.length(spec) is None and not self.cache.has_older(spec):
            raise Busy("the render queue is full")

    async def _choose(self, wanted: Wanted, visitor: Visitor) -> Identifier:
        """Pick the reading that is meant. Most requests have only one, which costs nothing."""
        if len(wanted.identifiers) == 1:
            return wanted.identifiers[0]
        choose = partial(self.maker.choose, wanted.reading)
        try:
            return await self._off_loop(choose)
        except NoCover:
            account = visitor.key.counted_as
            with self.patience.of(visitor) as within:
                ask = self.asking.choose(wanted.reading, account, within)
                return await ask

    def _find_or_name(self, spec: Spec) -> Derivative | Spec:
        """Return the derivative if it exists, else the spec under the name of the item."""
        try:
            return self._find(spec) or replace(spec, identifier=self.catalogue.aliases.item(spec.identifier))
        except StoreUnavailable:  # making the cover reports it
            return spec

    def _find(self, spec: Spec) -> Derivative | None:
        return with_original(self.catalogue, spec, readable(self.cache.find, spec))

    def _find_older(self, spec: Spec) -> Derivative | None:
        """Return the derivative of older settings, which is served until the current one exists."""
        return with_original(self.catalogue, spec, readable(self.cache.find_older, spec))

    def _look_again(self, spec: Spec) -> Derivative | list[Original]:
        """Return the derivative if another process has made it meanwhile, else the originals to make it
        from.
        """
        return self._find(spec) or self.maker.originals(spec.identifier)

    async def _make_or_remember(self, spec: Spec, visitor: Visitor) -> Found:
        """Make a derivative, or enter "no cover" into the negative cache, unless a source was unavailable."""
        change = self.catalogue.change()  # before the lookup, so that additions meanwhile are not missed
        try:
            if brought := await bring(self.second, self.maker, self.stripes, spec, self._off_loop):
                return Found(brought, is_made=False, spec=spec)
            with self.metrics.making.track_inprogress():
                return await self._make(spec, visitor)
        except NoCover:
            if lost := await self._off_loop(self.faults.lost):
                raise Unavailable(lost) from None
            self.absent.add(str(spec), change)
            raise

    async def _make(self, spec: Spec, visitor: Visitor) -> Found:
        """Make a derivative, unless another process was faster; runs as one flight per spec."""
        account = visitor.key.counted_as
        await self.asking.bring(spec.identifier, account)  # before taking a place: it may take long
        name = str(spec)
        locks = self.stripes.hold(name), self.leases.hold(name)
        async with self.renders.place(account, name) as place, locks[0], locks[1] as lease:
            looked = await self._off_loop(partial(self._look_again, spec))
            if not isinstance(looked, Derivative) and lease.is_paid:
                looked = await awaited(self.second, self.maker, spec, looked, self._off_loop) or looked
            if isinstance(looked, Derivative):
                return Found(looked, is_made=False, spec=spec)
            free = nullcontext(Charge())
            async with (
                free if lease.is_paid else self.accounts.charged(visitor, str(spec.identifier)) as charge
            ):
                started = time.perf_counter()
                derivative = await self._render_best(place, spec, looked)
                charge.is_waived = derivative.place is None  # the next request makes it again
            lease.is_made = not charge.is_waived
        about = {"spec": name, "key": abridged(visitor.key.name), "bytes": len(derivative.body)}
        _log.info("made", extra=about | {"ms": round((time.perf_counter() - started) * 1000, 1)})
        return Found(derivative, is_made=True, spec=spec)

    async def _remake(self, spec: Spec) -> None:
        """Make a derivative with the current settings, at the operator's cost: no key's quota or turn."""
        try:
            async with self.renders.place(INTERNAL) as place, self.stripes.hold(str(spec)):
                if await self._off_loop(partial(self.cache.find, spec)):
                    return
                originals = await self._off_loop(partial(self.maker.originals, spec.identifier))
                if not await self._off_loop(partial(self.maker.brought, spec, originals)):
                    await self._render_best(place, spec, originals)
        except CoverError as exc:  # the older derivative stays, and the next request tries again
            _log.info("not made with the current settings yet", extra={"spec": str(spec), "why": str(exc)})

    async def _render_best(self, place: Place, spec: Spec, originals: list[Original]) -> Derivative:
        """Render the best renderable original. Raises NoCover, Unavailable."""
        attempts = Attempts(spec)
        for original in originals:
            produce = partial(self.maker.produce, spec, original, is_next=original is not originals[0])
            try:
                made = await self.guard.decode(place, original, produce)
            except Unavailable as exc:  # not "no cover": its disk may be mounted again
                attempts.unavailable = exc
            else:
                if made is not None:
                    return made
        raise attempts.failure()

    async def preview(self, original: Original, size: Size) -> bytes:
        """Render an original in *size*, for administrators. Raises Busy, NoCover, Unavailable."""
        async with self.renders.place(INTERNAL) as place:
            return await self.guard.decode(place, original, partial(self.maker.preview, original, size))

    async def _off_loop(self, work: Callable[[], T]) -> T:
        """Do disk work in one hop."""
        return await asyncio.get_running_loop().run_in_executor(self.lookups, work)

    async def purge(self, identifier: Identifier) -> int:
        """Remove every derivative of *identifier*, and of its item's other names; return how many files
        went.
        """
        await self._off_loop(partial(purge_second, self.files.objects, self.catalogue, [identifier]))
        at = int(self.accounts.now())
        return await self._off_loop(
            partial(purge_by_hand, self.catalogue, self.cache, self.stripes, self.sizes, identifier, at)
        )

    async def check(self) -> dict[str, str]:
        """Return health faults by component; empty when healthy."""
        faults = await self._off_loop(self.faults.found)
        if fault := await self.accounts.check():
            faults["keys"] = fault
        if fault := self.unheard():
            faults["nodes"] = fault
        return faults
