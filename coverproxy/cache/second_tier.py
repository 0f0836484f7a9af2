"""The second tier of derivatives: in the object store, where every node finds what any has made.

Correctness rests on no deletion: a key names the original's bytes, its date, the revision, and how often its
item was purged, so what was made from a replaced or hidden original, with other settings, or before a purge,
is under another key.
"""

import hashlib
import logging
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from coverproxy import log
from coverproxy.cache.disk import read_stored
from coverproxy.cache.layout import Layout
from coverproxy.cache.unwritten import Unwritten
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
"""Derivatives that wait in memory to be written, at most. The others wait on disk, as far as it has them."""

MOST_BYTES = 16 * 1024 * 1024
"""A derivative has less, by far."""

ATTEMPTS = 5
"""How often one is written at most; while the store is known to be away, it waits without an attempt."""

THREADS = 4
FOLDER = "derivatives"

_MARK = b"coverproxy 1 "
_HEAD_BYTES = 200
_PAUSE = 0.5
_LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """`body`: the object; None: it is read from the file at `path` when it is its turn."""

    key: str
    body: bytes | None
    path: Path
    attempts: int = 0

    @property
    def length(self) -> int:
        return len(self.body or b"")


class SecondTier:
    """Looks for derivatives, and writes them behind the answer. Thread-safe."""

    def __init__(self, objects: Objects, layout: Layout, metrics: Metrics, *, threads: int = THREADS) -> None:
        self.objects = objects
        self._layout = layout
        self._unwritten = Unwritten(layout.unwritten)
        self._has_left = True
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
        """Start to write offered derivatives."""
        for thread in self._threads:
            thread.start()

    def close(self, seconds: float) -> None:
        """Write waiting derivatives for at most *seconds*; the next start writes the rest from disk."""
        with self._changed:
            self._changed.wait_for(lambda: self.waiting == 0, seconds)
            self._is_over = True
            left, self._bytes = len(self._waiting), 0
            self._waiting.clear()
            self._changed.notify_all()
        if left:
            _log.warning("the next start writes derivatives to the object store", extra={"count": left})

    @property
    def waiting(self) -> int:
        """How many derivatives are not written yet."""
        return len(self._waiting) + self._written_now

    def key(self, spec: Spec, original: Original) -> str:
        """Return a derivative's key: a folder per item, then all that its bytes depend on."""
        revision = self._layout.revisions[spec.size, spec.format]
        whole = "w" if original.terms.no_crop else ""
        made_of = f"{original.digest.hex()}-{original.mtime:x}{whole}{_purged(original.purges)}"
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

    def has_other(self, spec: Spec, originals: list[Original]) -> bool:
        """Return whether what an item shows was made in this size and format before, with other settings.

        Blocks. A store that is away has none.
        """
        best = shown(originals)
        if not best:
            return False
        try:
            keys = self.objects.keys(f"{folder(best[0].identifier)}/", MOST_WAITING)
        except StoreUnavailable as exc:
            self._note_away(exc)
            return False
        names = [key.rpartition("/")[2] for key in keys]
        ends = tuple(self.key(spec, each).rpartition("/")[2].split("-", 2)[2] for each in best)
        return any(name.startswith(f"{spec.size}-") and name.endswith(ends) for name in names)

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
        """Have a derivative written soon; after a crash, too, if it is on disk by now. Never waits or fails.

        What does not fit into memory is written later from the disk, or dropped where that does not have it.
        """
        one = _Waiting(self.key(spec, original), packed(derivative), self._layout.paths(spec)[0])
        is_kept = self._unwritten.note(one.key, one.path)
        with self._changed:
            is_full = len(self._waiting) >= MOST_WAITING or self._bytes + one.length > MOST_WAITING_BYTES
            if not is_full and not self._is_over:
                self._add(one)
            self._has_left |= is_full and is_kept
        if is_full and not is_kept:
            self._dropped(1, "too many wait to be written")

    def _add(self, one: _Waiting) -> None:
        self._waiting.append(one)
        self._bytes += one.length
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
        """Return the next derivative to write; None at the end."""
        with self._changed:
            while not self._waiting and not self._is_over:
                if self._has_left and not self.objects.fault:
                    self._has_left = False
                    self._waiting.extend(_Waiting(key, None, path) for key, path in self._unwritten.left())
                else:
                    self._changed.wait(_LOOK_SECONDS)
            if not self._waiting:
                return None
            one = self._waiting.popleft()
            self._bytes -= one.length
            self._written_now += 1
            return one

    def _written(self, one: _Waiting) -> bool:
        """Write one; return whether it is finished."""
        try:
            if body := one.body or _packed_file(one):
                self.objects.put(one.key, body)
                self._metrics.second_tier_writes.labels("written").inc()
        except StoreUnavailable as exc:
            if one.attempts + 1 < ATTEMPTS:
                return False
            self._dropped(1, str(exc))
        self._unwritten.forget(one.key)
        return True


def _packed_file(one: _Waiting) -> bytes:
    """Return the object of a derivative that waits on disk.

    b"" if it is gone, cannot be read, is not whole after a crash, or is not a file of ours.
    """
    ending = one.key.rpartition(".")[2]
    form, found = next((each for each in Format if each.value == ending), None), None
    with suppress(OSError):
        found = read_stored(one.path)
    size = dimensions(found[0], form) if form and found else None
    if form is None or found is None or size is None:
        return b""
    body, mtime, original = found
    return packed(Derivative(body, form, mtime, size, original))


def _purged(purges: int) -> str:
    """The end of a key's name by how often its item was purged: what was made before is not found again."""
    return f"-p{purges}" if purges else ""


def purge_objects(objects: Objects, identifier: Identifier, purges: int) -> int:
    """Delete every derivative of a name but those made since its last purge; return how many.

    Raises StoreUnavailable.
    """
    present = f"{_purged(purges)}."
    found = [key for key in objects.keys(f"{folder(identifier)}/", MOST_WAITING) if present not in key]
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
