"""The way of an original into a derivative: chosen, read, rendered, stored; all of it blocks."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from coverproxy.cache.budget import CacheFull
from coverproxy.cache.disk import DiskCache
from coverproxy.config import Limits, Size
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import NoCover, StoreUnavailable, Unavailable, UnusableOriginal
from coverproxy.domain.formats import Format
from coverproxy.domain.original import GONE, Original
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.imaging import preview
from coverproxy.imaging.preview import Preview
from coverproxy.imaging.render import Rendered, render
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import changing, mark_faulty
from coverproxy.originals.files import OriginalFiles
from coverproxy.stats.metrics import Metrics

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DerivativeMaker:
    """Makes derivatives, for the service and for commands alike. Safe in several threads at once.

    `decoding`: stands around every decode (Guard.decoding).
    """

    cache: DiskCache
    catalogue: Catalogue
    files: OriginalFiles
    metrics: Metrics
    sizes: Mapping[str, Size]
    limits: Limits
    decoding: Callable[[Original], AbstractContextManager[Callable[..., None]]]

    def choose(self, identifiers: Iterable[Identifier], *, only_one: bool) -> Identifier:
        """Pick which reading of an ISBN is meant: the first with a usable original. Raises NoCover.

        `only_one`: the readings contradict each other, so none is picked unless it alone has one.
        """
        find = self.catalogue.find
        covered = [name for name in identifiers if any(each.is_usable for each in find(name))]
        if not covered or (only_one and len(covered) > 1):
            raise NoCover("none of what this can mean has a cover, or more than one has")
        return covered[0]

    def originals(self, identifier: Identifier) -> list[Original]:
        """Return the originals that may still be usable, best first. Raises NoCover, Unavailable."""
        known = self.catalogue.find(identifier)
        found = [each for each in known if each.is_usable] or self._back_again(known)
        if not found:
            raise NoCover(f"{identifier} has no cover")
        return found

    def produce(self, spec: Spec, originals: list[Original]) -> Derivative:
        """Make a derivative and store it; where storing fails it is answered from memory all the same.

        Raises NoCover, Unavailable.
        """
        derivative = self.derive(spec, originals)
        try:
            with self.metrics.spans.labels("store").time():
                return self.store(spec, derivative)
        except CacheFull as full:
            self.metrics.cache_refusals.inc()
            if full.is_news:
                _log.warning("covers are answered and not stored", extra={"why": full.strerror})
        except OSError as exc:
            self.metrics.store_failures.inc()
            _log.error("a derivative cannot be stored", extra={"spec": str(spec), "error": str(exc)})
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

    def derive(self, spec: Spec, originals: list[Original]) -> Derivative:
        """Render the best original that can be. Raises NoCover, Unavailable."""
        unreadable = 0
        waiting = list(originals)
        while waiting:
            original = waiting.pop(0)
            try:
                made = self._render(original, self.sizes[spec.size], spec.format)
                return Derivative(made.body, spec.format, original.mtime, made.size, made.original)
            except UnusableOriginal as exc:
                self._note_fault(original, exc)
                waiting = self._dated(spec.identifier, waiting)
            except OSError as exc:
                unreadable += 1
                about = {"of": str(spec.identifier), "error": str(exc)}
                _log.error("an original cannot be read", extra=about)
        if unreadable:  # not "no cover": its file may come back with its disk
            raise Unavailable(f"the originals of {spec.identifier} cannot be read")
        raise NoCover(f"no original of {spec.identifier} can be rendered")

    def _dated(self, identifier: Identifier, waiting: list[Original]) -> list[Original]:
        """Read again since when those that wait are shown: a faulty one has made way for them."""
        if not waiting:
            return waiting
        now = {each.digest: each for each in self.catalogue.find(identifier)}
        return [now.get(each.digest, each) for each in waiting]

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

    def look(self, original: Original) -> Preview | None:
        """Look at an original, once and for all; None where it turns out that it cannot be rendered.

        Raises Unavailable.
        """
        try:
            found = preview.at(self._render(original, preview.GLANCE, Format.JPEG).body)
        except UnusableOriginal as exc:
            self._note_fault(original, exc)
            return None
        except OSError as exc:
            _log.error(
                "an original cannot be read", extra={"of": str(original.identifier), "error": str(exc)}
            )
            raise Unavailable(f"an original of {original.identifier} cannot be read") from exc
        try:
            self.catalogue.keep_look(original.digest, found)
        except StoreUnavailable as exc:  # somebody looks again
            _log.error("a look cannot be kept", extra={"error": str(exc)})
        return found

    def _render(self, original: Original, size: Size, form: Format) -> Rendered:
        with self.metrics.spans.labels("read").time():
            body = self._read(original)
        if len(body) > self.limits.max_bytes:
            raise UnusableOriginal("limit", f"more than {self.limits.max_bytes} bytes")
        with self.metrics.spans.labels("render").time(), self.decoding(original) as hold:
            return render(body, size, form, self.limits, hold)

    def _read(self, original: Original) -> bytes:
        """Read an original's file; one that was deleted is a fault, for its folder is there."""
        try:
            return self.files.read(original, self.limits.max_bytes)
        except FileNotFoundError as exc:
            if not self.files.path(original).parent.is_dir():  # its disk is not mounted, rather
                raise
            raise UnusableOriginal("gone", "its file was deleted") from exc

    def _note_fault(self, original: Original, fault: UnusableOriginal) -> None:
        self.metrics.unusable.labels(fault.reason).inc()
        _log.warning("unusable original", extra={"of": str(original.identifier), "why": str(fault)})
        if fault.reason == "thin":  # too thin for this size only
            return
        try:
            mark_faulty(self.catalogue, original, str(fault), int(time.time()))
        except StoreUnavailable as exc:  # it is then tried again, and fails again
            _log.error("a fault cannot be noted", extra={"error": str(exc)})
