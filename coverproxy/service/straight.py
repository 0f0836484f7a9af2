"""Covers looked for, charged, rendered and stored in one go, where nothing is in the way of that."""

import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.charge import Charge
from coverproxy.accounts.visitor import Visitor
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.domain.api_key import abridged
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import Unavailable
from coverproxy.domain.spec import Spec
from coverproxy.imaging.decoder import Decoder
from coverproxy.imaging.render_pool import RenderPool
from coverproxy.originals.base import Catalogue
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.held_covers import Found, HeldCovers, Seen
from coverproxy.service.maker import DerivativeMaker
from coverproxy.stats.metrics import Metrics

_log = logging.getLogger(__name__)

Outcome = Found | Seen | None
"""What a flight ends with: the cover, or what a look found; None: nothing was tried."""

Make = Callable[[], Coroutine[Any, Any, Outcome]]


class _NotStraight(Exception):
    """It needs more than this; with what the look found."""

    def __init__(self, seen: Seen) -> None:
        super().__init__(str(seen.spec))
        self.seen = seen


class StraightMaker:
    """Makes most covers without a step on the event loop between the look and the render.

    Whatever is out of the ordinary is left to the callers: they go on from what the look found.
    *is_alone*: no other node may have a cover, or be making it.
    """

    def __init__(
        self, held: HeldCovers, catalogue: Catalogue, stripes: FileLocks, guard: DecodeGuard,
        maker: DerivativeMaker, renders: RenderPool, lookups: WorkerThreads, accounts: Accounts,
        metrics: Metrics, *, is_alone: bool,
    ) -> None:  # fmt: skip
        self._held = held
        self._catalogue = catalogue
        self._stripes = stripes
        self._guard = guard
        self._maker = maker
        self._renders = renders
        self._lookups = lookups
        self._accounts = accounts
        self._metrics = metrics
        self._is_alone = is_alone and accounts.counts.now is not None

    def may_begin(self, visitor: Visitor) -> bool:
        """Return whether a turn is free now, and nothing but the quota limits the visitor.

        Who has to wait for a turn is looked up first: hits, and what has no cover, wait for no render.
        """
        is_limited = visitor.is_automated or visitor.address
        return self._is_alone and not is_limited and self._renders.has_turn(visitor.key.counted_as)

    async def make(self, specs: Sequence[Spec], visitor: Visitor) -> Found | Seen | None:
        """Make the last of *specs*, unless one of them exists. Runs as one flight per spec.

        Return what the look found where this is no straight way; None: it was not looked for. Raises
        QuotaUsedUp.
        """
        if not self._renders.is_turn_free:  # others came first
            return None
        spec, started = specs[-1], time.perf_counter()
        name = str(spec)
        try:
            handle = self._stripes.take_now(name)
        except BlockingIOError:  # another process makes it
            return None
        place = self._renders.place(visitor.key.counted_as, name, must=True)
        try:
            async with place as turn, self._accounts.charged(visitor, str(spec.identifier)) as charge:
                look = partial(self._look, specs, self._catalogue.change())
                with self._metrics.making.track_inprogress():
                    derivative = await turn.run_after(look, self._lookups, partial(self._rendered, charge))
                charge.is_waived = derivative.place is None  # the next request makes it again
        except _NotStraight as exc:
            return exc.seen
        finally:
            self._stripes.free(handle)
        note_made(spec, visitor, derivative, started)
        return Found(derivative, is_made=True, spec=spec)

    def _look(self, specs: Sequence[Spec], change: int) -> Seen:
        """Look for a cover, under its lock, where hits are looked for. Raises _NotStraight."""
        seen = self._held.look(specs, change)
        if seen.derivative or seen.older or not seen.originals:
            raise _NotStraight(seen)
        return seen

    def _rendered(self, charge: Charge, seen: Seen) -> Derivative:
        """Charge, render and store, on a render thread. Raises _NotStraight, and Refused."""
        original = seen.originals[0]

        def work(decoder: Decoder) -> Derivative | None:
            if not self._held.is_news_free(seen):  # it may have killed somebody's decoder meanwhile
                raise _NotStraight(seen)
            charge.take_now()
            return self._maker.produce(seen.spec, original, decoder)

        try:
            made = self._guard.decode_alone(original, work)
        except (BlockingIOError, Unavailable):
            raise _NotStraight(seen) from None
        if made is None:
            raise _NotStraight(seen)  # another original may do
        return made


def note_made(spec: Spec, visitor: Visitor, derivative: Derivative, started: float) -> None:
    """Log that a cover was made since *started*, by time.perf_counter()."""
    if not _log.isEnabledFor(logging.INFO):
        return
    about = {"spec": str(spec), "key": abridged(visitor.key.name), "bytes": len(derivative.body)}
    _log.info("made", extra=about | {"ms": round((time.perf_counter() - started) * 1000, 1)})
