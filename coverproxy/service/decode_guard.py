"""The only way to decode an original: alone, bounded, and with consequences if it harms its decoder."""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from coverproxy import log
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.domain.errors import DecoderDied, StoreUnavailable, Unavailable, UnusableOriginal
from coverproxy.domain.formats import Format, Loader
from coverproxy.domain.original import Original
from coverproxy.imaging.decoder import Decoder, Measured, ProcessDecoder
from coverproxy.imaging.detail import Measure
from coverproxy.imaging.preview import Preview
from coverproxy.imaging.render import Rendered
from coverproxy.imaging.render_pool import RenderPlace
from coverproxy.imaging.render_processes import RenderProcesses
from coverproxy.imaging.settings import LimitSettings, SizeSettings
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import quarantine
from coverproxy.stats.metrics import Metrics

T = TypeVar("T")

_log = logging.getLogger(__name__)


class DecodeGuard:
    """Lends a decoder to one original at a time; an original that kills it is quarantined at once.

    No other original can be the cause: each is decoded alone, in a process that does nothing else.
    """

    def __init__(
        self, data: Path, processes: RenderProcesses, catalogue: Catalogue, metrics: Metrics
    ) -> None:
        self._locks = FileLocks(data / "decoding")
        self._earlier = data / "crumbs"
        self._processes = processes
        self._decoder = ProcessDecoder(processes)
        self._catalogue = catalogue
        self._metrics = metrics

    def open(self) -> None:
        """Remove the crash journal and the lock files of earlier versions."""
        self._locks.remove_earlier()
        shutil.rmtree(self._earlier, ignore_errors=True)

    async def decode(
        self, place: RenderPlace, original: Original, work: Callable[[Decoder], T], *, is_new: bool = False
    ) -> T:
        """Run *work* on a render thread with a decoder for *original*, while no other process decodes it.

        Otherwise a page with three sizes would kill three decoders. Every attempt on an original goes through
        here. *is_new*: it was read from the catalogue this moment, and so is not quarantined, unless by one
        whom we wait for here.
        """
        async with self._locks.hold(original.digest.hex()) as has_waited:
            lent = _Lent(self, original, is_free=is_new and not has_waited)
            return await place.run(lambda: work(lent))

    def decode_alone(self, original: Original, work: Callable[[Decoder], T]) -> T:
        """The same in this thread, a render thread in its turn, for an original just read from the catalogue.

        Raises BlockingIOError if somebody else decodes it.
        """
        handle = self._locks.take_now(original.digest.hex())
        try:
            return work(_Lent(self, original, is_free=True))
        finally:
            self._locks.free(handle)

    def decode_here(self, original: Original, work: Callable[[Decoder], T]) -> T:
        """The same in this thread, without a place: for commands, which have few processes. Blocks."""
        with self._locks.held(original.digest.hex()):
            return work(self.lend(original))

    def lend(self, original: Original) -> Decoder:
        """Return a decoder for *original* alone. Outside decode(), use it only for the header."""
        return _Lent(self, original)

    def call(self, original: Original, work: Callable[[Decoder], T]) -> T:
        """Decode, and hold the original responsible for what happens; Unavailable is not its doing."""
        try:
            return work(self._decoder)
        except Unavailable as exc:
            log.fault(_log, "covers cannot be made", exc)
            raise
        except DecoderDied as exc:
            if exc.is_late:
                self._metrics.killed.inc()
            self._quarantine(original, exc.detail)
            raise UnusableOriginal("quarantined", exc.detail) from exc

    def refuse_quarantined(self, original: Original) -> None:
        """Raise UnusableOriginal("quarantined") if it is, and StoreUnavailable."""
        reason = self._catalogue.quarantined_for(original.digest)
        if reason is not None:
            raise UnusableOriginal("quarantined", reason)

    def _quarantine(self, original: Original, reason: str) -> None:
        self._metrics.quarantined.inc()
        about = {"of": str(original.identifier), "digest": original.digest.hex(), "why": reason}
        _log.error("an original is quarantined", extra=about)
        try:
            quarantine(self._catalogue, original.digest, reason, int(time.time()))
        except StoreUnavailable as exc:  # costs one more process, nothing else
            log.fault(_log, "a quarantine cannot be stored", exc)

    def start(self) -> None:
        """Start the render processes before they are needed. Blocks.

        If they do not start, fault() says so, and each cover tries again; existing covers are served.
        """
        try:
            self._processes.start()
        except Unavailable as exc:
            log.fault(_log, "covers cannot be made", exc)

    def fault(self) -> str | None:
        """Return why nothing can be decoded, or None."""
        return self._processes.fault

    def close(self) -> None:
        """End the threads that wait for locks."""
        self._locks.close()


class _Lent:
    """A Decoder for one original."""

    def __init__(self, guard: DecodeGuard, original: Original, *, is_free: bool = False) -> None:
        self._guard = guard
        self._original = original
        self._is_free = is_free

    def render(self, body: bytes, size: SizeSettings, form: Format, limits: LimitSettings) -> Rendered:
        if not self._is_free:
            self._guard.refuse_quarantined(self._original)
        return self._guard.call(self._original, lambda decoder: decoder.render(body, size, form, limits))

    def verify(self, body: bytes, size: SizeSettings, limits: LimitSettings) -> Measure:
        self._guard.refuse_quarantined(self._original)
        return self._guard.call(self._original, lambda decoder: decoder.verify(body, size, limits))

    def glance(self, body: bytes, limits: LimitSettings) -> Preview:
        self._guard.refuse_quarantined(self._original)
        return self._guard.call(self._original, lambda decoder: decoder.glance(body, limits))

    def detail(self, body: bytes, limits: LimitSettings) -> Measure:
        self._guard.refuse_quarantined(self._original)
        return self._guard.call(self._original, lambda decoder: decoder.detail(body, limits))

    def measure(self, body: bytes, loader: Loader, most_decoded: int) -> Measured:
        return self._guard.call(self._original, lambda decoder: decoder.measure(body, loader, most_decoded))
