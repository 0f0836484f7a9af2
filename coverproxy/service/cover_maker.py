"""Makes a cover that does not exist yet: its original fetched, a place taken, one key's quota charged."""

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

from coverproxy import log
from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.charge import Charge
from coverproxy.accounts.visitor import Visitor
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.negative import NegativeCache
from coverproxy.cache.second_tier import SecondTier
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.concurrency.leases import Leases
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.config import Size
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import CoverError, NoCover, StoreUnavailable, Unavailable
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Spec
from coverproxy.imaging.decoder import Decoder
from coverproxy.imaging.render_pool import INTERNAL, RenderPlace, RenderPool
from coverproxy.originals.base import Catalogue
from coverproxy.service.bring import awaited, bring
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.health import Health
from coverproxy.service.held_covers import Found, HeldCovers, Seen
from coverproxy.service.maker import Attempts, DerivativeMaker
from coverproxy.service.straight import note_made
from coverproxy.stats.metrics import Metrics

_log = logging.getLogger(__name__)

Produce = Callable[[Decoder], Derivative | None]


class CoverMaker:
    """Makes covers for visitors, charged to their key's quota, and remakes outdated ones for free."""

    def __init__(
        self,
        *,
        held: HeldCovers,
        cache: DiskCache,
        absent: NegativeCache,
        stripes: FileLocks,
        leases: Leases,
        catalogue: Catalogue,
        maker: DerivativeMaker,
        second: SecondTier | None,
        renders: RenderPool,
        guard: DecodeGuard,
        fetcher: OriginalFetcher,
        accounts: Accounts,
        health: Health,
        metrics: Metrics,
        threads: WorkerThreads,
    ) -> None:
        self._held = held
        self._cache = cache
        self._absent = absent
        self._stripes = stripes
        self._leases = leases
        self._catalogue = catalogue
        self._maker = maker
        self._second = second
        self._off_loop = threads.run
        self._renders = renders
        self._guard = guard
        self._fetcher = fetcher
        self._accounts = accounts
        self._health = health
        self._metrics = metrics
        self._threads = threads

    @property
    def is_elsewhere(self) -> bool:
        """Whether covers that are missing here may exist all the same, made by another node."""
        return self._second is not None and not self._second.objects.fault

    def _look_again(self, spec: Spec) -> Derivative | list[Original]:
        """Return the derivative if another process has made it meanwhile, else the originals to make it
        from.
        """
        return self._held.find(spec) or self._maker.originals(spec.identifier)

    async def make(self, seen: Seen, visitor: Visitor) -> Found:
        """Make a derivative, or enter "no cover" into the negative cache, unless a source was unavailable.

        *seen*: what the look found that did not find it.
        """
        spec = seen.spec
        try:
            if seen.is_unknown and not self._fetcher.has_sources:  # no place in the queue, and no locks
                raise NoCover(f"{spec.identifier} has no cover")
            if brought := await bring(self._second, self._maker, self._stripes, spec, self._off_loop):
                return Found(brought, is_made=False, spec=spec)
            with self._metrics.making.track_inprogress():
                return await self._make(seen, visitor)
        except NoCover:
            if lost := await self._threads.run(self._health.lost):
                log.fault(_log, "the catalogue is lost", lost)
                raise StoreUnavailable(lost) from None
            self._absent.add(str(spec), seen.change)  # of before the look: an addition since then counts
            raise

    async def _make(self, seen: Seen, visitor: Visitor) -> Found:
        """Make a derivative, unless another process was faster; runs as one flight per spec."""
        spec, account = seen.spec, visitor.key.counted_as
        if not seen.originals:
            await self._fetcher.bring(spec.identifier, account)  # before taking a place: it may take long
        name = str(spec)
        locks = self._stripes.hold(name), self._leases.hold(name)
        async with self._renders.place(account, name) as place, locks[0], locks[1] as lease:
            looked = self._held.still(seen)
            is_new = looked is not None
            if looked is None:
                looked = await self._threads.run(partial(self._look_again, spec))
            if not isinstance(looked, Derivative) and lease.is_paid:
                looked = await awaited(self._second, self._maker, spec, looked, self._off_loop) or looked
            if isinstance(looked, Derivative):
                return Found(looked, is_made=False, spec=spec)
            is_free = lease.is_paid or await self._is_paid_before(spec, looked)
            paid = nullcontext(Charge()) if is_free else self._accounts.charged(visitor, str(spec.identifier))
            async with paid as charge:
                started = time.perf_counter()
                derivative = await self._render_best(place, spec, looked, charge, is_new=is_new)
                charge.is_waived = derivative.place is None  # the next request makes it again
            lease.is_made = not charge.is_waived
        note_made(spec, visitor, derivative, started)
        return Found(derivative, is_made=True, spec=spec)

    async def _is_paid_before(self, spec: Spec, originals: list[Original]) -> bool:
        """Return whether some node made it before, with other settings: new ones cost no key anything."""
        if self._second is None:  # alone: no thread for what is known
            return False
        return bool(await self._off_loop(partial(self._second.has_other, spec, originals)))

    async def remake(self, spec: Spec) -> None:
        """Make a derivative with the current settings, at the operator's cost: no key's quota or turn."""
        try:
            async with self._renders.place(INTERNAL) as place, self._stripes.hold(str(spec)):
                if await self._threads.run(partial(self._cache.find, spec)):
                    return
                originals = await self._threads.run(partial(self._maker.originals, spec.identifier))
                if not await self._threads.run(partial(self._maker.brought, spec, originals)):
                    await self._render_best(place, spec, originals, Charge())
        except CoverError as exc:  # the older derivative stays, and the next request tries again
            _log.info("not made with the current settings yet", extra={"spec": str(spec), "why": str(exc)})

    async def _render_best(
        self,
        place: RenderPlace,
        spec: Spec,
        originals: list[Original],
        charge: Charge,
        *,
        is_new: bool = False,
    ) -> Derivative:
        """Render the best renderable original. Raises NoCover, Unavailable, Refused.

        *is_new*: the originals were read this moment.
        """
        attempts = Attempts(spec)
        for original in originals:
            produce = partial(self._maker.produce, spec, original, is_next=original is not originals[0])
            is_first = is_new and original is originals[0]
            try:
                made = await self._made(place, original, produce, charge, is_new=is_first)
            except Unavailable as exc:  # not "no cover": its disk may be mounted again
                attempts.unavailable = exc
            else:
                if made is not None:
                    return made
        raise attempts.failure()

    async def _made(
        self, place: RenderPlace, original: Original, produce: Produce, charge: Charge, *, is_new: bool
    ) -> Derivative | None:
        """Have the charge taken and an original decoded in one turn of a render thread.

        Where others keep the store, the charge waits for them on the event loop: a render thread must not.
        """

        def work(decoder: Decoder) -> Derivative | None:
            try:
                charge.take_now()
            except Unavailable:
                return None
            return produce(decoder)

        made = await self._guard.decode(place, original, work, is_new=is_new)
        if charge.is_due:
            await charge.settle()
            made = await self._guard.decode(place, original, produce)
        return made

    async def preview(self, original: Original, size: Size) -> bytes:
        """Render an original in *size*, for administrators. Raises Busy, NoCover, Unavailable."""
        async with self._renders.place(INTERNAL) as place:
            return await self._guard.decode(place, original, partial(self._maker.preview, original, size))
