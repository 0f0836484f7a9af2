"""Poison: originals that kill or hang the decoder, kept from doing so a second time."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path

from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.config import RenderConfig
from coverproxy.domain.errors import StoreUnavailable, UnusableOriginal
from coverproxy.domain.original import Original
from coverproxy.imaging.crash_journal import CrashJournal, Left, judged
from coverproxy.imaging.watchdog import HUNG_AFTER, Watchdog
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import quarantine
from coverproxy.stats.metrics import Metrics

_log = logging.getLogger(__name__)

HUNG = 70
"""The exit code of a process that a decoder hangs (sysexits' "software"; gunicorn gives up at 3 and 4)."""

_DYING_SECONDS = 1.0
"""How long a process may take to die. Longer, and it is alive, and takes no lock (`coverproxy warm`)."""


class DecodeGuard:
    """Stands around every decode of a process."""

    def __init__(self, folder: Path, catalogue: Catalogue, metrics: Metrics, config: RenderConfig) -> None:
        self.crumbs = CrashJournal(folder / "running")
        self._stripes = FileLocks(folder / "locks")
        self._locks = folder / "locks"
        self._catalogue = catalogue
        self._metrics = metrics
        self._time_limit = config.time_limit_seconds
        self._watchdog = Watchdog(self._time_limit, metrics.killed.inc, self._hung)

    def open(self) -> None:
        """Judge what dead processes left, before anything is rendered; then watch. Raises OSError."""
        self._locks.mkdir(parents=True, exist_ok=True)
        self.crumbs.open()
        self._look_back()
        self._watchdog.start()

    def alone(self, original: Original) -> AbstractAsyncContextManager[None]:
        """Let one process at a time decode *original*: else a page with three sizes kills three workers."""
        return self._stripes.hold(original.digest.hex())

    @contextmanager
    def decoding(self, original: Original) -> Iterator[Callable[..., None]]:
        """Guard the decoding of *original* by this thread; gives what render() calls with its images.

        Raises UnusableOriginal("quarantined"), and Unavailable where the catalogue cannot be read.
        """
        self._await_end_elsewhere(original.digest)
        reason, is_suspect = self._catalogue.standing(original.digest)
        if reason is not None:
            raise UnusableOriginal("quarantined", reason)
        try:
            with self.crumbs.dropped(original), self._watchdog.watching() as hold:
                yield hold
        finally:
            if is_suspect:
                self._acquit(original)

    def _acquit(self, original: Original) -> None:
        try:
            self._catalogue.acquit(original.digest)
        except StoreUnavailable as exc:  # it stays suspected
            _log.error("a suspicion cannot be taken back", extra={"error": str(exc)})

    def _await_end_elsewhere(self, digest: bytes) -> None:
        """Look back until no other process is decoding this original, at most _DYING_SECONDS.

        We hold its lock (alone()), so who seems to be decoding it is dying: the kernel frees a dead process's
        locks one after the other, and this one may come before that of its crumbs.
        """
        deadline = time.monotonic() + _DYING_SECONDS
        while self._look_back(digest) and time.monotonic() < deadline:
            time.sleep(_DYING_SECONDS / 200)

    def _look_back(self, digest: bytes = b"") -> bool:
        try:
            return self.crumbs.look_back(self._judge, digest)
        except (OSError, StoreUnavailable) as exc:  # it is tried again before the next render
            _log.error("what a dead worker left cannot be judged", extra={"error": str(exc)})
            return False

    def _judge(self, left: Left) -> None:
        suspects = [crumb.digest for crumb in left.crumbs if self._catalogue.standing(crumb.digest)[1]]
        for crumb, reason in judged(left, suspects).items():
            about = {"of": crumb.of, "digest": crumb.digest.hex(), "why": reason or left.crash or "killed"}
            if reason is None:
                self._catalogue.suspect(crumb.digest, int(time.time()))
                _log.warning("a worker ended while decoding an original", extra=about)
            else:
                quarantine(self._catalogue, crumb.digest, reason, int(time.time()))
                self._metrics.quarantined.inc()
                _log.error(
                    "an original is quarantined", extra={**about, "trace": left.trace.splitlines()[:20]}
                )
        if left.trace and not left.crumbs:
            _log.error("a worker crashed", extra={"trace": left.trace.splitlines()[:20]})

    def _hung(self, thread: int) -> None:
        """End this process: a thread within one call of a decoder can be ended no other way.

        The next look back quarantines the original, as if the process had crashed of it.
        """
        what = f"no end after {HUNG_AFTER * self._time_limit:g} s"
        _log.critical("a decoder hangs: this worker ends", extra={"why": what})
        self.crumbs.accuse(thread, what)
        os._exit(HUNG)

    def close(self) -> None:
        """Stop watching; what was being decoded is done."""
        self._watchdog.close()
        self._stripes.close()
        self.crumbs.close()
