"""One cover made in a better format, beside its JPEG: at nobody's cost, and to nobody's harm. It blocks."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from coverproxy import log
from coverproxy.cache.budget import CacheFull
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.second_tier import SecondTier
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.config import Limits, Size
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import NoCover, StoreUnavailable, Unavailable, UnusableOriginal
from coverproxy.domain.formats import Format
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Spec
from coverproxy.imaging.decoder import Decoder
from coverproxy.originals.base import Catalogue
from coverproxy.service.links import lead
from coverproxy.service.maker import DerivativeMaker

_log = logging.getLogger(__name__)

SMALLER = 0.95
"""Of the JPEG's bytes: what takes more than that is not worth a place on the disk."""


class BetterOutcome(StrEnum):
    """What came of it. LARGER: than the JPEG, and so not kept. FULL: the disk or the cache is."""

    MADE = "made"
    THERE = "there"
    LARGER = "larger"
    STALE = "stale"
    FULL = "full"
    FAILED = "failed"

    @property
    def is_hopeless(self) -> bool:
        """Whether it would go the same way for a while."""
        return self in (BetterOutcome.LARGER, BetterOutcome.FAILED)


class BetterMaker:
    """Makes a better format of a cover whose JPEG is there.

    No lock is held while it renders, as that takes seconds: requests for another size, and purges, would wait
    for it. The original is read again before the result is stored. Failures are not charged to the original:
    its JPEG was made, so the encoder's time or memory is the cause.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        cache: DiskCache,
        second: SecondTier | None,
        maker: DerivativeMaker,
        stripes: FileLocks,
        decoder: Decoder,
        sizes: Mapping[str, Size],
        limits: Limits,
    ) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._second = second
        self._maker = maker
        self._stripes = stripes
        self._decoder = decoder
        self._sizes = sizes
        self._limits = limits

    def make(self, spec: Spec) -> BetterOutcome:
        """Render and store *spec*, unless it is there; a name of another item leads to that one's."""
        try:
            item = replace(spec, identifier=self._catalogue.aliases.item(spec.identifier))
        except StoreUnavailable:
            return BetterOutcome.FAILED
        outcome = self._make(item)
        if item != spec and outcome in (BetterOutcome.MADE, BetterOutcome.THERE):
            lead(self._catalogue, self._cache, self._stripes, spec, item)
        return outcome

    def _make(self, spec: Spec) -> BetterOutcome:
        try:
            if self._cache.find(spec):
                return BetterOutcome.THERE
            if self._cache.room.is_tight():  # what is made now would push out what visitors ask for
                return BetterOutcome.FULL
            originals = self._maker.originals(spec.identifier)
            original = originals[0]
            if self._second and (found := self._second.find_here(spec, originals)):
                return self._stored(spec, original, found)
            size = self._maker.size(spec, original)
            rendered = self._decoder.render(self._maker.read(original), size, spec.format, self._limits)
            made = Derivative(
                rendered.body, spec.format, original.mtime, rendered.size, rendered.original, made_of=original
            )
            return self._stored(spec, original, made)
        except CacheFull:
            return BetterOutcome.FULL
        except (NoCover, Unavailable, UnusableOriginal, OSError) as exc:
            log.fault(_log, "a better format is not made", exc, level=logging.WARNING, spec=str(spec))
            return BetterOutcome.FAILED

    def _stored(self, spec: Spec, original: Original, made: Derivative) -> BetterOutcome:
        jpeg = self._cache.length(Spec(spec.identifier, spec.size, Format.JPEG))
        if jpeg is not None and len(made.body) > SMALLER * jpeg:
            return BetterOutcome.LARGER
        with self._stripes.held(str(spec)):
            # MUST be read under the lock: replacing an original purges under it, and afterwards
            if self._maker.originals(spec.identifier)[0] != original:
                return BetterOutcome.STALE
            if self._cache.find(spec):
                return BetterOutcome.THERE
            self._maker.store(spec, made)
        return BetterOutcome.MADE
