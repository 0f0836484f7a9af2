"""Keeps a node's copies of originals within a bound, where an object store has them all."""

import asyncio
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from coverproxy import log
from coverproxy.concurrency.file_locks import ProcessLock
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.original import DIGEST_BYTES
from coverproxy.objects.base import Objects
from coverproxy.originals.files import key_of

_DAY = 86_400
_EVERY_SECONDS = 600.0
_SPARE = 20
"""A twentieth of the bound is freed beyond it, so that not every look has something to do."""

_log = logging.getLogger(__name__)


class Trimmed(NamedTuple):
    """How many files and bytes were there, and how many were removed."""

    held_files: int = 0
    held_bytes: int = 0
    files: int = 0
    bytes: int = 0


class LocalCopies:
    """The originals below *root*, at most *most_bytes* of them. Several processes may have one each.

    Of a file only its day of last use is known, as the kernel keeps it (`relatime`), or its arrival.
    """

    def __init__(self, root: Path, objects: Objects, most_bytes: int) -> None:
        self._root = root
        self._objects = objects
        self._most_bytes = most_bytes
        self._lock = ProcessLock(root / "tmp" / ".trim")

    async def keep_bounded(self) -> None:
        """Trim every ten minutes, in one process of the machine, until cancelled."""
        try:
            while True:
                try:
                    if self._lock.is_ours():
                        self._note(await asyncio.to_thread(self.trim))
                except (OSError, StoreUnavailable) as exc:
                    log.fault(_log, "copies of originals cannot be kept within their bound", exc)
                await asyncio.sleep(_EVERY_SECONDS)
        finally:
            self._lock.close()

    def _note(self, done: Trimmed) -> None:
        if done.files:
            _log.info("copies of originals were removed", extra=done._asdict())

    def trim(self) -> Trimmed:
        """Remove the least recently used copies, down to the bound. Blocks.

        Originals from before there was an object store are written there first. Raises
        StoreUnavailable; OSError if a file cannot be read or removed.
        """
        by_day: Counter[int] = Counter()
        files = 0
        for _, stat in self._files():
            by_day[_day(stat)] += stat.st_size
            files += 1
        held = by_day.total()
        if held <= self._most_bytes:
            return Trimmed(files, held)
        excess = held - self._most_bytes + self._most_bytes // _SPARE
        last, removed = _last_day(by_day, excess), Trimmed(files, held)
        for path, stat in self._files():
            left = excess - removed.bytes
            if left > 0 and _day(stat) <= last and self._removed(path):
                removed = Trimmed(files, held, removed.files + 1, removed.bytes + stat.st_size)
        return removed

    def _removed(self, path: Path) -> bool:
        """Remove a copy once the object store has its bytes; return whether it was still there."""
        try:
            body = path.read_bytes()
        except FileNotFoundError:
            return False
        key = key_of(hashlib.sha256(body).digest()[:DIGEST_BYTES], path.suffix.removeprefix("."))
        if not self._objects.has(key):
            self._objects.put(key, body)
        path.unlink(missing_ok=True)
        return True

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield every original's file, and what the system says of it."""
        for folder, folders, names in os.walk(self._root):
            if folder == str(self._root):
                folders[:] = [name for name in folders if name != "tmp"]
            for name in names:
                with suppress(FileNotFoundError):
                    path = Path(folder, name)
                    yield path, path.stat()


def _day(stat: os.stat_result) -> int:
    return int(max(stat.st_atime, stat.st_ctime)) // _DAY


def _last_day(by_day: Counter[int], excess: int) -> int:
    """Return the latest day of last use whose files have to go, at least in part."""
    for day in sorted(by_day):
        excess -= by_day[day]
        if excess <= 0:
            return day
    return max(by_day)
