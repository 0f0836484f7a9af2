"""The story of one cover: found, or made once and counted."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from coverproxy import log
from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.visitor import Visitor
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.memory import Memory, MemoryEntry
from coverproxy.cache.negative import NegativeCache
from coverproxy.concurrency.file_locks import FileLocks
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
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.invalidate import drop_stale, purge_item
from coverproxy.service.links import lead
from coverproxy.service.maker import Attempts, DerivativeMaker
from coverproxy.service.patience import Patience
from coverproxy.stats.base import Notes
from coverproxy.stats.metrics import Metrics
from coverproxy.storage.ownership import described

T = TypeVar("T")

_log = logging.getLogger(__name__)

FILE_THREADS = 2
"""Threads for disk lookups: hits never wait behind renders, which have their own.

Each keeps up to 16 MiB of the catalogue's pages, and because of the GIL more of them bring little.
"""


REMAKES = 2
"""Derivatives of older settings that a process remakes at once: covers that clients wait for come first."""

_LOOKED_AT = 5
"""Originals whose files are checked to tell whether their disk is mounted."""


@dataclass(frozen=True, slots=True)
class Found:
    """A cover to answer with; whether this request had it made; its spec; `held`: its memory entry."""

    derivative: Derivative
    is_made: bool
    spec: Spec
    held: MemoryEntry | None = None


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
    notes: Notes
    unheard: Callable[[], str] = lambda: ""
    maker: DerivativeMaker = field(init=False)
    patience: Patience = field(init=False)
    remakes: SingleFlight[None] = field(init=False, default_factory=SingleFlight)

    def __post_init__(self) -> None:
        maker = DerivativeMaker(self.cache, self.catalogue, self.files, self.metrics, self.sizes, self.limits)
        object.__setattr__(self, "maker", maker)
        object.__setattr__(self, "patience", Patience(self.answer_within))

    async def cover(self, wanted: Wanted, form: Format, visitor: Visitor) -> Found:
        """Return the cover that *visitor* wants, making it if necessary.

        A hit needs no quota and no database.
        Raises NoCover, QuotaExceeded, TooFast, Busy, Pending, Unavailable.
        """
        return await self._get(await self._choose(wanted, form, visitor), visitor)

    async def _get(self, spec: Spec, visitor: Visitor) -> Found:
        """Find a derivative, or make it. Raises what cover() raises."""
        if (held := self.memory.get(str(spec))) and held.derivative:
            return Found(held.derivative, is_made=False, spec=spec, held=held)
        if self.absent.has(str(spec), self.catalogue.change):
            raise NoCover(f"{spec.identifier} has no cover")
        mark = self.memory.mark()
        self._refuse_early(spec, visitor)
        looked = await self._off_loop(partial(self._find_or_name, spec))
        if isinstance(looked, Derivative):
            held = self.memory.put(str(spec), looked, mark)
            return Found(looked, is_made=False, spec=spec, held=held)
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
        if self.cache.length(spec) is None and not self.cache.has_older(spec):
            raise Busy("the render queue is full")

    async def _choose(self, wanted: Wanted, form: Format, visitor: Visitor) -> Spec:
        """Pick the reading that is meant. Most requests have only one, which costs nothing."""
        specs = wanted.specs(form)
        if len(specs) == 1:
            return specs[0]
        choose = partial(self.maker.choose, wanted.reading)
        try:
            identifier = await self._off_loop(choose)
        except NoCover:
            account = visitor.key.counted_as
            with self.patience.of(visitor) as within:
                ask = self.asking.choose(wanted.reading, account, within)
                identifier = await ask
        return Spec(identifier, wanted.size, form)

    def _find_or_name(self, spec: Spec) -> Derivative | Spec:
        """Return the derivative if it exists, else the spec under the name of the item."""
        try:
            return self._find(spec) or replace(spec, identifier=self.catalogue.aliases.item(spec.identifier))
        except StoreUnavailable as exc:  # making the cover reports it too
            log.fault(_log, "a store cannot be used", exc)
            return spec

    def _find(self, spec: Spec) -> Derivative | None:
        return self._with_original(spec, self._readable(self.cache.find, spec))

    def _readable(self, find: Callable[[Spec], Derivative | None], spec: Spec) -> Derivative | None:
        """Look for a derivative; an unreadable one counts as missing, and is made again."""
        try:
            return find(spec)
        except OSError as exc:
            log.fault(_log, "the cache cannot be read", exc)
            return None

    def _with_original(self, spec: Spec, derivative: Derivative | None) -> Derivative | None:
        """Add the size of the original, if it is known; without it a header is omitted."""
        if derivative is None or derivative.original is not None:
            return derivative
        try:
            best = next((each for each in self.catalogue.of_item(spec.identifier) if each.is_usable), None)
        except StoreUnavailable as exc:
            log.fault(_log, "a store cannot be used", exc)
            return derivative
        return replace(derivative, original=(best.width, best.height)) if best else derivative

    def _find_older(self, spec: Spec) -> Derivative | None:
        """Return the derivative of older settings, which is served until the current one exists."""
        return self._with_original(spec, self._readable(self.cache.find_older, spec))

    def _look_again(self, spec: Spec) -> Derivative | list[Original]:
        """Return the derivative if another process has made it meanwhile, else the originals to make it
        from.
        """
        return self._find(spec) or self.maker.originals(spec.identifier)

    async def _make_or_remember(self, spec: Spec, visitor: Visitor) -> Found:
        """Make a derivative, or enter "no cover" into the negative cache; unavailable sources are not
        remembered.
        """
        change = self.catalogue.change()  # before the lookup, so that additions meanwhile are not missed
        try:
            with self.metrics.making.track_inprogress():
                return await self._make(spec, visitor)
        except NoCover:
            if lost := await self._off_loop(self._lost):
                raise Unavailable(lost) from None
            self.absent.add(str(spec), change)
            raise

    async def _make(self, spec: Spec, visitor: Visitor) -> Found:
        """Make a derivative, unless another process was faster; runs as one flight per spec."""
        account = visitor.key.counted_as
        await self.asking.bring(spec.identifier, account)  # before taking a place: it may take long
        async with self.renders.place(account, str(spec)) as place, self.stripes.hold(str(spec)):
            looked = await self._off_loop(partial(self._look_again, spec))
            if isinstance(looked, Derivative):
                return Found(looked, is_made=False, spec=spec)
            async with self.accounts.charged(visitor) as charge:
                started = time.perf_counter()
                derivative = await self._render_best(place, spec, looked)
                charge.is_waived = derivative.place is None  # the next request makes it again
        _log.info(
            "made",
            extra={
                "spec": str(spec), "key": abridged(visitor.key.name), "bytes": len(derivative.body),
                "ms": round((time.perf_counter() - started) * 1000, 1),
            },
        )  # fmt: skip
        return Found(derivative, is_made=True, spec=spec)

    async def _remake(self, spec: Spec) -> None:
        """Make a derivative with the current settings, at the operator's cost: without a key's quota or
        turn.
        """
        try:
            async with self.renders.place(INTERNAL) as place, self.stripes.hold(str(spec)):
                if await self._off_loop(partial(self.cache.find, spec)):
                    return
                originals = await self._off_loop(partial(self.maker.originals, spec.identifier))
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
        return await self._off_loop(
            partial(purge_item, self.catalogue, self.cache, self.stripes, self.sizes, identifier)
        )

    async def check(self) -> dict[str, str]:
        """Return health faults by component; empty when healthy."""
        faults = await self._off_loop(self._faults)
        if fault := await self.accounts.check():
            faults["keys"] = fault
        if fault := self.unheard():
            faults["nodes"] = fault
        return faults

    def _lost(self) -> str:
        """Report an empty catalogue next to originals: it was lost, so its books are not "missing"."""
        if self.catalogue.totals()[0] or not self.files.is_used():
            return ""
        return "it is empty, but originals exist: restore it and restart, or import the originals' folder"

    def _gone(self) -> str:
        """Report if a sample of originals has no files: their disk is not mounted."""
        some = self.catalogue.sample(_LOOKED_AT)
        if not some or any(self.files.has(each) for each in some):
            return ""
        return (
            f"none of {len(some)} checked exist, such as {self.files.path(some[0])}: is a disk not mounted?"
        )

    def _faults(self) -> dict[str, str]:
        faults: dict[str, str] = {}
        try:
            self.catalogue.ping()
            found = {
                "catalogue": self._lost(),
                "originals": self._gone() or self._not_taken_in(),
                "replaced": self._not_removed(),
            }
            faults |= {name: what for name, what in found.items() if what}
        except StoreUnavailable as exc:
            faults["catalogue"] = str(exc)
        try:
            self.cache.probe()
        except OSError as exc:
            faults["cache"] = f"it cannot be written: {described(exc)}"
        if fault := self.guard.fault():
            faults["render"] = fault
        return faults

    def _not_removed(self) -> str:
        """Retry removals that failed when their book changed; report those that still fail."""
        if not self.catalogue.stale(most=1):
            return ""
        return drop_stale(self.catalogue, self.cache, self.stripes, self.sizes)

    def _not_taken_in(self) -> str:
        """Report if originals from sources cannot be stored."""
        if not self.asking.states():  # without sources, an original is only read
            return ""
        try:
            self.files.probe()
        except OSError as exc:
            return f"none can be stored: {described(exc)}"
        return ""
