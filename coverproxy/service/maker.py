"""The way of an original into a derivative: chosen, read, rendered, stored; all of it blocks."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from coverproxy import log
from coverproxy.cache.budget import CacheFull
from coverproxy.cache.disk import DiskCache
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
"""How long a file must be away, and its folder not, to count as deleted."""

_MOST_AWAY = 1000


@dataclass(frozen=True)
class DerivativeMaker:
    """Makes derivatives, for the service and for commands alike. Safe in several threads at once.

    `now`: seconds since 1970. `away`: originals whose file is not there, by digest, and since when.
    """

    cache: DiskCache
    catalogue: Catalogue
    files: OriginalFiles
    metrics: Metrics
    sizes: Mapping[str, Size]
    limits: Limits
    now: Callable[[], float] = time.time
    away: dict[bytes, float] = field(default_factory=dict)

    def choose(self, reading: Reading) -> Identifier:
        """Pick which identifier is meant, by which of them have a usable original. Raises NoCover."""
        find = self.catalogue.of_item
        covered = {each for each in reading.identifiers if any(one.is_usable for one in find(each))}
        picked = reading.pick(covered)
        if picked is None:
            raise NoCover("none of what this can mean has a cover, or more than one has")
        return picked

    def originals(self, identifier: Identifier) -> list[Original]:
        """Return the originals that may still be usable, best first. Raises NoCover, Unavailable."""
        known = self.catalogue.of_item(identifier)
        found = [each for each in known if each.is_usable] or self._back_again(known)
        if not found:
            raise NoCover(f"{identifier} has no cover")
        return found

    def produce(
        self, spec: Spec, original: Original, decoder: Decoder, *, is_next: bool = False
    ) -> Derivative | None:
        """Make a derivative of *original* and store it; None where that original cannot be rendered.

        Where storing fails it is answered from memory all the same. Raises Unavailable.
        """
        derivative = self.derive(spec, original, decoder, is_next=is_next)
        if derivative is None:
            return None
        try:
            with self.metrics.spans.labels("store").time():
                return self.store(spec, derivative)
        except CacheFull as full:
            self.metrics.cache_refusals.inc()
            if full.is_news:
                _log.warning("covers are answered and not stored", extra={"why": full.strerror})
        except OSError as exc:
            self.metrics.store_failures.inc()
            log.fault(_log, "a derivative cannot be stored", exc, spec=str(spec))
        return derivative

    def store(self, spec: Spec, derivative: Derivative) -> Derivative:
        """Store a derivative in place of what older settings made of it; return it as it is answered.

        Another picture gets a later time than its predecessor: clients then see that it has changed. Raises
        CacheFull or another OSError; then the predecessor stays.
        """
        if older := self.cache.find_older(spec):
            least = older.mtime + (older.body != derivative.body)
            derivative = replace(derivative, mtime=max(derivative.mtime, least))
        self.cache.put(spec, derivative)
        if older:
            self.cache.drop_older(spec)
        return replace(derivative, place=self.cache.layout.place(spec))

    def derive(
        self, spec: Spec, original: Original, decoder: Decoder, *, is_next: bool = False
    ) -> Derivative | None:
        """Render *original*; None where that is not possible, which is noted. Raises Unavailable.

        *is_next*: a faulty one has made way for it, so it is read again since when it is shown.
        """
        if is_next:
            now = self.catalogue.of_item(spec.identifier)
            original = next((each for each in now if each.digest == original.digest), original)
        try:
            body = self.read(original)
            with self.metrics.spans.labels("render").time():
                made = decoder.render(body, self.sizes[spec.size], spec.format, self.limits)
        except UnusableOriginal as exc:
            self._note_fault(original, exc)
            return None
        return Derivative(made.body, spec.format, original.mtime, made.size, made.original)

    def _back_again(self, known: list[Original]) -> list[Original]:
        """Return those whose deleted file is there again, and take back their fault."""
        found = []
        for each in known:
            is_gone = (each.fault or "").startswith(GONE) and each.state is None
            if is_gone and self.files.has(each):
                with changing(self.catalogue, int(time.time()), keep_derivatives=True) as changes:
                    changes.watch(each.identifier)
                    changes.tables.clear_fault(each)
                found.append(replace(each, fault=None))
        return found

    def look(self, original: Original, decoder: Decoder) -> Preview | None:
        """Look at an original, once and for all; None where it turns out that it cannot be rendered.

        Raises Unavailable.
        """
        try:
            found = decoder.glance(self.read(original), self.limits)
        except UnusableOriginal as exc:
            self._note_fault(original, exc)
            return None
        try:
            self.catalogue.keep_look(original.digest, found)
        except StoreUnavailable as exc:  # somebody looks again
            log.fault(_log, "a look cannot be kept", exc)
        return found

    def preview(self, original: Original, size: Size, decoder: Decoder) -> bytes:
        """Render *original* in another size than covers have; keep nothing. Raises NoCover, Unavailable."""
        try:
            return decoder.render(self.read(original), size, Format.JPEG, self.limits).body
        except UnusableOriginal as exc:
            raise NoCover(f"it cannot be shown: {exc}") from exc

    def read(self, original: Original) -> bytes:
        """Read an original. Raises UnusableOriginal("limit"), Unavailable: its disk may come back."""
        try:
            with self.metrics.spans.labels("read").time():
                body = self._read(original)
        except OSError as exc:
            log.fault(_log, "an original cannot be read", exc, book=str(original.identifier))
            raise Unavailable(f"an original of {original.identifier} cannot be read") from exc
        if len(body) > self.limits.max_bytes:
            raise UnusableOriginal("limit", f"more than {self.limits.max_bytes} bytes")
        return body

    def _read(self, original: Original) -> bytes:
        """Read an original's file; one that is away for a while, and its folder is not, was deleted."""
        try:
            body = self.files.read(original, self.limits.max_bytes)
        except FileNotFoundError as exc:
            if not self.files.path(original).parent.is_dir():  # its disk is not mounted, rather
                raise
            if not self._is_long_gone(original):
                raise
            raise UnusableOriginal("gone", "its file was deleted") from exc
        self.away.pop(original.digest, None)
        return body

    def _is_long_gone(self, original: Original) -> bool:
        """Whether this process has missed a file for GONE_SECONDS; a disk that comes and goes is not that."""
        now = self.now()
        if len(self.away) >= _MOST_AWAY:
            self.away.clear()  # a disk, rather than files
        return now - self.away.setdefault(original.digest, now) >= GONE_SECONDS

    def _note_fault(self, original: Original, fault: UnusableOriginal) -> None:
        self.metrics.unusable.labels(fault.reason).inc()
        _log.warning("unusable original", extra={"of": str(original.identifier), "why": str(fault)})
        if fault.reason == "thin":  # too thin for this size only
            return
        try:
            mark_faulty(self.catalogue, original, str(fault), int(time.time()))
        except StoreUnavailable as exc:  # it is then tried again, and fails again
            log.fault(_log, "a fault cannot be noted", exc)


@dataclass
class Attempts:
    """What became of a book's originals, tried one after the other: none could be rendered."""

    spec: Spec
    unavailable: Unavailable | None = None

    def failure(self) -> NoCover | Unavailable:
        """Return what to raise: "no cover" only where each of them was read."""
        return self.unavailable or NoCover(f"no original of {self.spec.identifier} can be rendered")
