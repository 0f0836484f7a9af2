"""Background eviction: a thread in every process, working in one of them at a time."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from coverproxy import log
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.evict import Eviction, Evictor
from coverproxy.cache.former_layout import FormerLayout
from coverproxy.cache.layout import Layout
from coverproxy.cache.walk import Stopped, WalkPace
from coverproxy.storage import ownership
from coverproxy.storage.shared_counters import SharedCounters

if TYPE_CHECKING:
    from coverproxy.stats.metrics import Metrics

WALK_EVERY_SECONDS = 86_400
"""Changes made to the files by others are noticed within this time."""

_log = logging.getLogger(__name__)

_FRESH_SECONDS = 60
"""Workers that start together need one walk, not one each."""

_REST_SECONDS = 0.005
_LEAST_PAUSE_SECONDS = 0.25
_STOP_WITHIN_SECONDS = 5.0


@contextmanager
def alone(layout: Layout, *, wait: bool) -> Iterator[bool]:
    """Yield whether this is now the only process of the machine that may evict; *wait* until it is.

    The kernel frees a dead process's lock.
    """
    handle = ownership.opened(layout.locks / "evict", os.O_RDWR)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def take_over(former: FormerLayout, pace: WalkPace) -> bool:
    """Adopt a cache of the former layout; if *pace* stops it, the rest is done next time. Blocks.

    MUST run in one process at a time: see alone(). Returns False after a fault: then each derivative is still
    adopted on request.
    """
    started, names = time.monotonic(), 0
    try:
        for shard in former.shards():
            names += former.take_over_shard(shard)
            pace.step()
        former.finish()
    except Stopped:
        return True
    except OSError as exc:
        _log.error("the former cache cannot be adopted", extra={"error": str(exc)})
        return False
    seconds = round(time.monotonic() - started, 1)
    _log.info("the former cache was adopted", extra={"names": names, "seconds": seconds})
    return True


class Janitor:
    """The thread of one process that keeps the cache within its bounds.

    It holds the lock for one round only: any process that finds the cache tight may evict, and
    `coverproxy cache evict` gets its turn beside a running server.
    """

    def __init__(self, evictor: Evictor, cache: DiskCache, metrics: "Metrics", check_seconds: float) -> None:
        self._evictor = evictor
        self._cache = cache
        self._room = cache.room
        layout = self._layout = cache.layout
        self._metrics = metrics
        self._check_seconds = check_seconds
        self._former = FormerLayout(layout)
        self._takes_over = True
        self._walked = SharedCounters(layout.walked)
        self._started = int(time.time())
        self._stop = threading.Event()
        # a daemon: a hanging disk must not keep the process from stopping
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Start the thread; it first walks the cache for the estimate, unless another process just did.

        MUST come before this process stores its first derivative: in the thread, the reservations that are
        dropped would be our own too.
        """
        bounds = self._room.bounds
        with suppress(OSError):  # the first round reports it
            self._room.forget_pending()
        _log.info(
            "the cache is bounded",
            extra={
                "last_use_by": self._evictor.last_use.value,
                "max_bytes": bounds.max_bytes,
                "min_free_bytes": bounds.min_free_bytes,
                "min_free_inodes": bounds.min_free_inodes,
            },
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread, at its next small step."""
        self._stop.set()
        self._room.tight.set()
        self._thread.join(_STOP_WITHIN_SECONDS)
        self._walked.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._is_in_vain():
                # nothing can be removed now, so do not walk again at once, even if asked to
                self._stop.wait(self._check_seconds)
            else:
                self._stop.wait(min(_LEAST_PAUSE_SECONDS, self._check_seconds))
                self._room.tight.wait(self._check_seconds)
            self._room.tight.clear()

    def _is_in_vain(self) -> bool:
        """Do a round; return whether it could not help."""
        try:
            outcome = self._round()
            return outcome is not None and not outcome.bytes and self._room.is_tight()
        except OSError as exc:
            log.fault(_log, "the cache cannot be kept within its bounds", exc)
            return True

    def _round(self) -> Eviction | None:
        """Evict if it is due, and if no other process is evicting."""
        outcome = None
        if self._cache.mend():
            _log.warning(
                "the cache's folders were gone and are made anew", extra={"at": str(self._layout.top)}
            )
        if self._takes_over and self._former.is_there:
            with alone(self._layout, wait=False) as is_ours:
                if is_ours:  # not again after a fault: one log line is enough
                    self._takes_over = take_over(self._former, WalkPace(self._stop, _REST_SECONDS))
        if self._is_due():
            with alone(self._layout, wait=False) as is_ours:
                outcome = self._evict() if is_ours else None
        self._metrics.cache_bytes.set(self._room.held())
        return outcome

    def _is_due(self) -> bool:
        since = max(self._started - _FRESH_SECONDS, int(time.time()) - WALK_EVERY_SECONDS)
        return self._walked.read()[0] < since or self._room.is_tight()

    def _evict(self) -> Eviction:
        started = time.monotonic()
        outcome = self._evictor.run(self._stop, rest_seconds=_REST_SECONDS)
        if outcome.is_whole:
            self._walked.set(int(time.time()))
        self._metrics.evictions.inc(outcome.files)
        self._metrics.evicted_bytes.inc(outcome.bytes)
        _log.info(
            "evicted" if outcome.files else "the cache was walked through",
            extra={
                "held_files": outcome.held_files, "held_bytes": outcome.held_bytes, "files": outcome.files,
                "bytes": outcome.bytes, "seconds": round(time.monotonic() - started, 1),
            },
        )  # fmt: skip
        return outcome
