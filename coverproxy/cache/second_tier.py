"""The second tier of derivatives: in the object store, where every node finds what any has made.

Correctness rests on no deletion: a key names the original's bytes, its date and the revision, so what was
made from a replaced or hidden original, or with other settings, is under another key.
"""

import hashlib
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, replace

from coverproxy import log
from coverproxy.cache.layout import Layout
from coverproxy.domain import schemes
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.formats import Format, dimensions
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.original import Original, shown
from coverproxy.domain.spec import Spec
from coverproxy.objects.base import Objects
from coverproxy.stats.metrics import Metrics

MOST_WAITING, MOST_WAITING_BYTES = 2000, 64 * 1024 * 1024
"""Derivatives that wait to be written, at most. The next is dropped: it can be made again."""

MOST_BYTES = 16 * 1024 * 1024
"""A derivative has less, by far."""

ATTEMPTS = 5
"""How often one is written at most; while the store is known to be away, it waits without an attempt."""

THREADS = 4
FOLDER = "derivatives"

_MARK = b"coverproxy 1 "
_HEAD_BYTES = 200
_PAUSE = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    key: str
    body: bytes
    attempts: int = 0


class SecondTier:
    """Looks for derivatives, and writes them behind the answer. Thread-safe."""

    def __init__(self, objects: Objects, layout: Layout, metrics: Metrics, *, threads: int = THREADS) -> None:
        self.objects = objects
        self._layout = layout
        self._metrics = metrics
        self._waiting: deque[_Waiting] = deque()
        self._bytes = self._written_now = 0
        self._changed = threading.Condition()
        self._is_over = False
        self._threads = [
            threading.Thread(target=self._write_all, name=f"second-tier-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Begin to write what is offered."""
        for thread in self._threads:
            thread.start()

    def close(self, seconds: float) -> None:
        """Write what waits, for *seconds* at most; what is left can be made again."""
        with self._changed:
            self._changed.wait_for(lambda: self.waiting == 0, seconds)
            self._is_over = True
            left, self._bytes = len(self._waiting), 0
            self._waiting.clear()
            self._changed.notify_all()
        if left:
            self._dropped(left, "the service stops")

    @property
    def waiting(self) -> int:
        """How many derivatives are not written yet."""
        return len(self._waiting) + self._written_now

    def key(self, spec: Spec, original: Original) -> str:
        """Return a derivative's key: a folder per item, then all that its bytes depend on."""
        revision = self._layout.revisions[spec.size, spec.format]
        whole = "w" if original.terms.no_crop else ""
        made_of = f"{original.digest.hex()}-{original.mtime:x}{whole}"
        return f"{folder(original.identifier)}/{spec.size}-{revision}-{made_of}.{spec.format.value}"

    async def find(self, spec: Spec, originals: list[Original]) -> Derivative | None:
        """Return the derivative of what an item shows, if it is here. A store that is away has none."""
        for original in shown(originals):
            try:
                stored = await self.objects.fetch(self.key(spec, original), MOST_BYTES)
            except StoreUnavailable as exc:
                self._note_away(exc)
                return None
            if found := self._read(stored, spec, original):
                return found
        return None

    def find_here(self, spec: Spec, originals: list[Original]) -> Derivative | None:
        """Do the same in a thread that may block."""
        for original in shown(originals):
            try:
                stored = self.objects.get(self.key(spec, original), MOST_BYTES)
            except StoreUnavailable as exc:
                self._note_away(exc)
                return None
            if found := self._read(stored, spec, original):
                return found
        return None

    def _note_away(self, exc: StoreUnavailable) -> None:
        self._metrics.second_tier.labels("away").inc()
        log.fault(_log, "the second tier cannot be asked", exc, of="objects")

    def _read(self, stored: bytes | None, spec: Spec, original: Original) -> Derivative | None:
        found = None if stored is None else unpacked(stored, spec.format)
        if stored is not None and found is None:
            self._metrics.second_tier.labels("damaged").inc()
            log.fault(_log, "an object is damaged", "it is made again", of="objects", spec=str(spec))
            return None
        self._metrics.second_tier.labels("missing" if found is None else "found").inc()
        if found is None:
            return None
        return replace(found, mtime=max(found.mtime, original.mtime))

    def offer(self, spec: Spec, original: Original, derivative: Derivative) -> None:
        """Have a derivative written soon. Never waits, never fails: a full queue drops it."""
        one = _Waiting(self.key(spec, original), packed(derivative))
        with self._changed:
            is_full = len(self._waiting) >= MOST_WAITING or self._bytes + len(one.body) > MOST_WAITING_BYTES
            if not is_full and not self._is_over:
                self._add(one)
        if is_full:
            self._dropped(1, "too many wait to be written")

    def _add(self, one: _Waiting) -> None:
        self._waiting.append(one)
        self._bytes += len(one.body)
        self._changed.notify()

    def _dropped(self, count: int, why: str) -> None:
        self._metrics.second_tier_writes.labels("dropped").inc(count)
        log.fault(_log, "derivatives are not written to the object store", why, of="second tier", count=count)

    def _write_all(self) -> None:
        while (one := self._next()) is not None:
            done = self._written(one)
            with self._changed:
                self._written_now -= 1
                if not done and not self._is_over:
                    self._add(replace(one, attempts=one.attempts + (not self.objects.fault)))
                self._changed.notify_all()
            if not done:
                time.sleep(_PAUSE)

    def _next(self) -> _Waiting | None:
        """Return what is to be written next; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_over)
            if not self._waiting:
                return None
            one = self._waiting.popleft()
            self._bytes -= len(one.body)
            self._written_now += 1
            return one

    def _written(self, one: _Waiting) -> bool:
        """Write one; return whether nothing more is to be done for it."""
        try:
            self.objects.put(one.key, one.body)
        except StoreUnavailable as exc:
            if one.attempts + 1 < ATTEMPTS:
                return False
            self._dropped(1, str(exc))
            return True
        self._metrics.second_tier_writes.labels("written").inc()
        return True


def purge_objects(objects: Objects, identifiers: list[Identifier]) -> int:
    """Delete every derivative of some names of items; return how many. Raises StoreUnavailable."""
    found = [key for each in identifiers for key in objects.keys(f"{folder(each)}/", MOST_WAITING)]
    if found:
        objects.delete(found)
    return len(found)


def folder(identifier: Identifier) -> str:
    """Return the folder of all derivatives of an item."""
    return "/".join((FOLDER, identifier.scheme, *schemes.shard(identifier), schemes.stems(identifier)[0]))


def packed(derivative: Derivative) -> bytes:
    """Return an object: a line with the digest, the mtime and the original's size; then the bytes."""
    width, height = derivative.original or (0, 0)
    digest = hashlib.sha256(derivative.body).hexdigest()
    return b"%s%s %d %dx%d\n" % (_MARK, digest.encode(), derivative.mtime, width, height) + derivative.body


def unpacked(stored: bytes, form: Format) -> Derivative | None:
    """Return the derivative of an object; None if it is damaged."""
    line, _, body = stored.partition(b"\n")
    words = line.removeprefix(_MARK).split(b" ")
    if len(line) > _HEAD_BYTES or not line.startswith(_MARK) or len(words) != 3:
        return None
    digest, mtime, (width, _, height) = words[0], words[1], words[2].partition(b"x")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return None
    size = dimensions(body, form)
    if size is None or not (mtime.isdigit() and width.isdigit() and height.isdigit()):
        return None
    original = (int(width), int(height)) if int(width) else None
    return Derivative(body, form, int(mtime), size, original)
