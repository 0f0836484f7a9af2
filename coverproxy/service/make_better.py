"""One cover made in a better format, beside its JPEG: at nobody's cost, and to nobody's harm. It blocks."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from coverproxy import log
from coverproxy.cache.budget import CacheFull
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.config import Limits, Size
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import NoCover, StoreUnavailable, Unavailable, UnusableOriginal
from coverproxy.domain.formats import Format
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Spec
from coverproxy.imaging.decoder import Decoder
from coverproxy.service.links import lead
from coverproxy.service.maker import DerivativeMaker

_log = logging.getLogger(__name__)

SMALLER = 0.95
"""Of the JPEG's bytes: what takes more than that is not worth a place on the disk."""


class Outcome(StrEnum):
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
        return self in (Outcome.LARGER, Outcome.FAILED)


@dataclass(frozen=True)
class BetterMaker:
    """Makes a better format of a cover whose JPEG is there.

    No lock is held while it renders, as that takes seconds: a visitor who wants another size, and whoever
    purges, would wait for it. Before it is stored, the original is looked at again. What goes wrong is not
    charged to the original: its JPEG was made, so it is the encoder's time or memory.
    """

    maker: DerivativeMaker
    stripes: FileLocks
    decoder: Decoder
    sizes: Mapping[str, Size]
    limits: Limits

    def make(self, spec: Spec) -> Outcome:
        """Render and store *spec*, unless it is there; a name of another item leads to that one's."""
        aliases = self.maker.catalogue.aliases
        try:
            item = replace(spec, identifier=aliases.item(spec.identifier))
        except StoreUnavailable:
            return Outcome.FAILED
        outcome = self._make(item)
        if item != spec and outcome in (Outcome.MADE, Outcome.THERE):
            lead(self.maker.catalogue, self.maker.cache, self.stripes, spec, item)
        return outcome

    def _make(self, spec: Spec) -> Outcome:
        cache = self.maker.cache
        try:
            if cache.find(spec):
                return Outcome.THERE
            if cache.room.is_tight():  # what is made now would push out what visitors ask for
                return Outcome.FULL
            originals = self.maker.originals(spec.identifier)
            original = originals[0]
            if self.maker.second and (found := self.maker.second.find_here(spec, originals)):
                return self._stored(spec, original, found)
            size = self.maker.size(spec, original)
            rendered = self.decoder.render(self.maker.read(original), size, spec.format, self.limits)
            made = Derivative(
                rendered.body, spec.format, original.mtime, rendered.size, rendered.original, made_of=original
            )
            return self._stored(spec, original, made)
        except CacheFull:
            return Outcome.FULL
        except (NoCover, Unavailable, UnusableOriginal, OSError) as exc:
            log.fault(_log, "a better format is not made", exc, level=logging.WARNING, spec=str(spec))
            return Outcome.FAILED

    def _stored(self, spec: Spec, original: Original, made: Derivative) -> Outcome:
        jpeg = self.maker.cache.length(Spec(spec.identifier, spec.size, Format.JPEG))
        if jpeg is not None and len(made.body) > SMALLER * jpeg:
            return Outcome.LARGER
        with self.stripes.held(str(spec)):
            # MUST be looked at under the lock: who replaces an original purges with it, and afterwards
            if self.maker.originals(spec.identifier)[0] != original:
                return Outcome.STALE
            if self.maker.cache.find(spec):
                return Outcome.THERE
            self.maker.store(spec, made)
        return Outcome.MADE
