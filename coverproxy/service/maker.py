"""Makes derivatives from originals: chosen, read, rendered, stored. All of it blocks."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from coverproxy import log
from coverproxy.cache.budget import CacheFull
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.second_tier import SecondTier
from coverproxy.config import Limits, Size
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import NoCover, StoreUnavailable, Unavailable, UnusableOriginal
from coverproxy.domain.formats import Format
from coverproxy.domain.original import GONE, Original
from coverproxy.domain.spec import Identifier, Reading, Spec
from coverproxy.imaging.decoder import Decoder
from coverproxy.imaging.preview import Preview
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import changing, mark_faulty
from coverproxy.originals.files import OriginalFiles
from coverproxy.stats.metrics import Metrics

_log = logging.getLogger(__name__)

GONE_SECONDS = 60
"""How long a file must be missing, while its folder exists, to count as deleted."""

_MOST_AWAY = 1000


class DerivativeMaker:
    """Makes derivatives, for the service and for commands. Thread-safe.

    `now`: returns seconds since 1970. `away`: since when originals' files are missing, by digest.
    """

    def __init__(
        self,
        cache: DiskCache,
        catalogue: Catalogue,
        files: OriginalFiles,
        metrics: Metrics,
        sizes: Mapping[str, Size],
        limits: Limits,
        second: SecondTier | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._cache = cache
        self._catalogue = catalogue
        self._files = files
        self._metrics = metrics
        self._sizes = sizes
        self._limits = limits
        self._second = second
        self._now = now
        self._away: dict[bytes, float] = {}

    def choose(self, reading: Reading) -> Identifier:
        """Pick the identifier that is meant, by which have a usable original. Raises NoCover."""
        find = self._catalogue.of_item
        covered = {each for each in reading.identifiers if any(one.is_usable for one in find(each))}
        picked = reading.pick(covered)
        if picked is None:
            raise NoCover("no reading of this has a cover, or several have")
        return picked

    def originals(self, identifier: Identifier) -> list[Original]:
        """Return the originals that may still be usable, best first. Raises NoCover, Unavailable."""
        known = self._catalogue.of_item(identifier)
        found = [each for each in known if each.is_usable] or self._back_again(known)
        if not found:
            raise NoCover(f"{identifier} has no cover")
        return found

    def produce(
        self, spec: Spec, original: Original, decoder: Decoder, *, is_next: bool = False
    ) -> Derivative | None:
        """Make a derivative of *original* and store it; None if that original cannot be rendered.

        If storing fails, it is still answered from memory. Raises Unavailable.
        """
        derivative = self.derive(spec, original, decoder, is_next=is_next)
        if derivative is None:
            return None
        return self.stored_if_possible(spec, derivative)

    def stored_if_possible(self, spec: Spec, derivative: Derivative) -> Derivative:
        """Store a derivative. One that cannot be stored is still answered from memory, without a place."""
        try:
            with self._metrics.span("store"):
                return self.store(spec, derivative)
        except CacheFull as full:
            self._metrics.cache_refusals.inc()
            if full.is_news:
                _log.warning("covers are answered but not stored", extra={"why": full.strerror})
        except OSError as exc:
            self._metrics.store_failures.inc()
            log.fault(_log, "a derivative cannot be stored", exc, spec=str(spec))
        return derivative

    def store(self, spec: Spec, derivative: Derivative) -> Derivative:
        """Store a derivative, replacing that of older settings; return it as it is answered.

        A changed picture gets a later time than its predecessor, so that clients notice. Raises CacheFull or
        another OSError; then the predecessor stays.
        """
        if older := self._cache.find_older(spec):
            least = older.mtime + (older.body != derivative.body)
            derivative = replace(derivative, mtime=max(derivative.mtime, least))
        try:
            self._cache.put(spec, derivative)
        finally:  # afterwards, so that a link to it outlives a crash; one that is not kept goes there, too
            if self._second and derivative.made_of:
                self._second.offer(spec, derivative.made_of, derivative)
        if older:
            self._cache.drop_older(spec)
        made, place = derivative, self._cache.layout.place(spec)
        # replace() would be twenty calls
        return Derivative(made.body, made.format, made.mtime, made.size, made.original, place)

    def brought(self, spec: Spec, originals: list[Original]) -> Derivative | None:
        """Return the derivative if another node has made it, and store it here. Blocks."""
        found = self._second.find_here(spec, originals) if self._second else None
        return self.stored_if_possible(spec, found) if found else None

    def derive(
        self, spec: Spec, original: Original, decoder: Decoder, *, is_next: bool = False
    ) -> Derivative | None:
        """Render *original*; None if that is impossible, which is recorded. Raises Unavailable.

        *is_next*: a faulty original has made way for it, so its date is read again.
        """
        if is_next:
            now = self._catalogue.of_item(spec.identifier)
            original = next((each for each in now if each.digest == original.digest), original)
        try:
            body = self.read(original)
            with self._metrics.span("render"):
                made = decoder.render(body, self.size(spec, original), spec.format, self._limits)
        except UnusableOriginal as exc:
            self._note_fault(original, exc)
            return None
        return Derivative(made.body, spec.format, original.mtime, made.size, made.original, made_of=original)

    def size(self, spec: Spec, original: Original) -> Size:
        """Return the size to render: what may only be shown whole is padded where it would be cropped."""
        size = self._sizes[spec.size]
        is_forbidden = size.fit == "crop" and original.terms.no_crop
        return size.model_copy(update={"fit": "pad"}) if is_forbidden else size

    def _back_again(self, known: list[Original]) -> list[Original]:
        """Return originals whose deleted file is back, and clear their fault."""
        found = []
        for each in known:
            is_gone = (each.fault or "").startswith(GONE) and each.state is None
            if is_gone and self._files.has(each):
                with changing(self._catalogue, int(time.time()), keep_derivatives=True) as changes:
                    changes.watch(each.identifier)
                    changes.tables.clear_fault(each)
                found.append(replace(each, fault=None))
        return found

    def look(self, original: Original, decoder: Decoder) -> Preview | None:
        """Make the preview of an original, once and for all; None if it cannot be rendered.

        Raises Unavailable.
        """
        try:
            found = decoder.glance(self.read(original), self._limits)
        except UnusableOriginal as exc:
            self._note_fault(original, exc)
            return None
        try:
            self._catalogue.keep_look(original.digest, found)
        except StoreUnavailable as exc:  # it will be made again
            log.fault(_log, "a preview cannot be stored", exc)
        return found

    def preview(self, original: Original, size: Size, decoder: Decoder) -> bytes:
        """Render *original* in a size that covers do not have; stores nothing.

        Raises NoCover, Unavailable.
        """
        try:
            return decoder.render(self.read(original), size, Format.JPEG, self._limits).body
        except UnusableOriginal as exc:
            raise NoCover(f"it cannot be rendered: {exc}") from exc

    def read(self, original: Original) -> bytes:
        """Read an original. Raises UnusableOriginal("limit"); Unavailable, as its disk may be mounted
        again.
        """
        try:
            with self._metrics.span("read"):
                body = self._read(original)
        except OSError as exc:
            log.fault(_log, "an original cannot be read", exc, book=str(original.identifier))
            raise Unavailable(f"an original of {original.identifier} cannot be read") from exc
        if len(body) > self._limits.max_bytes:
            raise UnusableOriginal("limit", f"more than {self._limits.max_bytes} bytes")
        return body

    def _read(self, original: Original) -> bytes:
        """Read an original's file; one that is missing for a while, in an existing folder, was deleted."""
        try:
            body = self._files.read(original, self._limits.max_bytes)
        except FileNotFoundError as exc:
            if not self._files.can_tell(original):  # rather an unmounted disk
                raise
            if not self._is_long_gone(original):
                raise
            raise UnusableOriginal("gone", "its file was deleted") from exc
        self._away.pop(original.digest, None)
        return body

    def _is_long_gone(self, original: Original) -> bool:
        """Return whether this process has missed a file for GONE_SECONDS without seeing it in between."""
        now = self._now()
        if len(self._away) >= _MOST_AWAY:
            self._away.clear()  # a disk rather than single files
        return now - self._away.setdefault(original.digest, now) >= GONE_SECONDS

    def _note_fault(self, original: Original, fault: UnusableOriginal) -> None:
        self._metrics.unusable.labels(fault.reason).inc()
        _log.warning("unusable original", extra={"of": str(original.identifier), "why": str(fault)})
        if fault.reason == "thin":  # too thin for this size only
            return
        try:
            mark_faulty(self._catalogue, original, str(fault), int(time.time()))
        except StoreUnavailable as exc:  # it is tried again, and fails again
            log.fault(_log, "a fault cannot be stored", exc)


@dataclass
class Attempts:
    """The record of trying a book's originals in turn, none of which could be rendered."""

    spec: Spec
    unavailable: Unavailable | None = None

    def failure(self) -> NoCover | Unavailable:
        """Return the exception to raise: "no cover" only if each original was read."""
        return self.unavailable or NoCover(f"no original of {self.spec.identifier} can be rendered")
