"""Sweeps originals that no item has any more out of the object store: aside first, deleted days later.

An original is written before its row is entered, so an object without a row may be one that is just coming
in. Hence nothing is deleted at once. What no row names and what has lain for a day is copied below `removed/`
and goes from `originals/`. Whoever needs it meanwhile finds it there (OriginalFiles), and a later sweep
brings it back. Only what no row has named for the whole time is deleted.
"""

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from coverproxy import log
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.original import DIGEST_BYTES
from coverproxy.objects.base import ObjectEntry, Objects
from coverproxy.originals.base import Catalogue
from coverproxy.originals.files import MOST_BYTES, ORIGINALS, REMOVED
from coverproxy.originals.turn_store import Turn

NAME = "sweep"
FRESH_SECONDS = 86_400
"""No import takes that long from writing an original to entering its row."""

SPARE_SECONDS = 3600
"""How long a second copy stays: beyond any request that another process may still be waiting for."""

HELD_SECONDS = 300
"""For how long a turn is taken. A batch takes less, however slow each request is."""

LOOK_SECONDS, EVERY_SECONDS, PAUSE_SECONDS = 600.0, 86_400.0, 0.5
"""The service looks whether a sweep is due, sweeps once a day, and rests after each batch."""

FOLDERS = tuple(f"{number:02x}" for number in range(256))
_BATCH = 20
_log = logging.getLogger(__name__)
_KEY = re.compile(rf"(?:{ORIGINALS}|{REMOVED})/[0-9a-f]{{2}}/([0-9a-f]{{{2 * DIGEST_BYTES}}})\.[a-z0-9]+")


@dataclass
class SweptOriginals:
    """What a sweep did: originals that it saw, moved aside, brought back, and deleted; `folders` of 256."""

    folders: int = 0
    seen: int = 0
    moved: int = 0
    brought_back: int = 0
    deleted: int = 0


class TurnTaken(Exception):
    """Another process sweeps now, or went on with it."""


class OriginalSweep:
    """Sweeps folder by folder. Every method blocks.

    *removed_seconds*: how long an original stays below `removed/`. *acts*: whether anything is changed;
    without it, what would be done is counted. *now*: seconds since 1970, as the store's clock.
    """

    def __init__(
        self, catalogue: Catalogue, objects: Objects, removed_seconds: float, *, acts: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._objects = objects
        self._removed_seconds = removed_seconds
        self._acts = acts
        self._now = now
        self._held: Turn | None = None

    def is_due(self, every_seconds: float) -> bool:
        """Return whether the last whole sweep ended so long ago. Raises StoreUnavailable."""
        return self._catalogue.turns.ended(NAME) + every_seconds <= self._now()

    def steps(self) -> Iterator[SweptOriginals]:
        """Sweep, from where an earlier sweep was left; yield what is done so far, after each batch.

        May be left at any step. Raises TurnTaken; StoreUnavailable if the database or the store cannot be
        asked, or the catalogue is empty: then it is another one, or lost, and says nothing of originals.
        """
        if not self._catalogue.totals()[0]:
            raise StoreUnavailable("the catalogue is empty, so it does not say which originals are needed")
        done = SweptOriginals()
        with self._turn() as begun:
            for folder in FOLDERS[FOLDERS.index(begun) :]:
                self._renew(folder)
                for entries in self._entries(folder):
                    self._renew(folder)
                    self._sweep(entries, done)
                    yield done
                done.folders += 1
            if self._held:
                self._catalogue.turns.end(self._held, int(self._now()))

    def _entries(self, folder: str) -> Iterator[Sequence[ObjectEntry]]:
        for kind in (ORIGINALS, REMOVED):
            for portion in self._objects.portions(f"{kind}/{folder}"):
                ours = [each for each in portion if _KEY.fullmatch(each.key)]
                yield from (ours[at : at + _BATCH] for at in range(0, len(ours), _BATCH))

    @contextmanager
    def _turn(self) -> Iterator[str]:
        """Take the turn; give the folder to begin with. What is left before its end others go on with."""
        if not self._acts:
            yield FOLDERS[0]
            return
        now = int(self._now())
        self._held = self._catalogue.turns.claim(NAME, now, now + HELD_SECONDS)
        if self._held is None:
            raise TurnTaken("another process sweeps now")
        try:
            yield self._held.place or FOLDERS[0]
        finally:
            self._catalogue.turns.let_go(self._held)

    def _renew(self, folder: str) -> None:
        """Keep the turn for longer. Raises TurnTaken."""
        if self._held is None:
            return
        renewed = self._catalogue.turns.renew(self._held, folder, int(self._now()) + HELD_SECONDS)
        if renewed is None:
            raise TurnTaken("another process went on with the sweep")
        self._held = renewed

    def _sweep(self, entries: Sequence[ObjectEntry], done: SweptOriginals) -> None:
        kept = self._catalogue.kept([_digest(each.key) for each in entries])
        done.seen += sum(each.key.startswith(ORIGINALS) for each in entries)
        for each in entries:
            age = self._now() - each.modified
            if each.key.startswith(REMOVED):
                self._settle(each.key, age, done, is_kept=_digest(each.key) in kept)
            elif _digest(each.key) not in kept and age > FRESH_SECONDS:
                done.moved += self._move(each.key)

    def _settle(self, key: str, age: float, done: SweptOriginals, *, is_kept: bool) -> None:
        """Bring back what is needed again; delete what was not for long enough."""
        if is_kept:
            done.brought_back += self._bring_back(key)
            if age > SPARE_SECONDS:
                self._delete(key)
        elif age > self._removed_seconds:
            self._delete(key)
            done.deleted += 1

    def _move(self, key: str) -> bool:
        """Move an original aside, unless a row names it by now; return whether it went."""
        if not self._acts:
            return True
        if not self._copy(key, key.replace(ORIGINALS, REMOVED, 1)) or self._catalogue.kept([_digest(key)]):
            return False
        self._objects.delete([key])
        return True

    def _bring_back(self, key: str) -> bool:
        """Copy it to where originals are, if it is not there; return whether it was not."""
        place = key.replace(REMOVED, ORIGINALS, 1)
        if self._objects.has(place):
            return False
        return not self._acts or self._copy(key, place)

    def _copy(self, key: str, to: str) -> bool:
        """Copy an original; return whether it was there, and whole.

        Not by the store's own copy: its age below `removed/` counts from now, and a folder's copy is a hard
        link, as old as the original.
        """
        body = self._objects.get(key, MOST_BYTES)
        if body is None or hashlib.sha256(body).digest()[:DIGEST_BYTES] != _digest(key):
            return False
        self._objects.put(to, body)
        return True

    def _delete(self, key: str) -> None:
        if self._acts:
            self._objects.delete([key])


def _digest(key: str) -> bytes:
    return bytes.fromhex(key.rpartition("/")[2].partition(".")[0])


async def keep_swept(sweep: OriginalSweep, look: float = LOOK_SECONDS, pause: float = PAUSE_SECONDS) -> None:
    """Sweep once a day, in one process of all nodes, slowly, until cancelled."""
    while True:
        await asyncio.sleep(look)
        try:
            if await asyncio.to_thread(sweep.is_due, EVERY_SECONDS):
                await _sweep_slowly(sweep, pause)
        except TurnTaken:
            continue
        except StoreUnavailable as exc:
            log.fault(_log, "originals that no item has cannot be swept", exc, of="sweep")


async def _sweep_slowly(sweep: OriginalSweep, pause: float) -> None:
    steps, done = sweep.steps(), SweptOriginals()
    try:
        while (so_far := await asyncio.to_thread(next, steps, None)) is not None:
            done = so_far
            await asyncio.sleep(pause)
    finally:
        await asyncio.to_thread(_leave, steps)
    if done.moved or done.deleted or done.brought_back:
        _log.info("originals were swept", extra=asdict(done))


def _leave(steps: Iterator[SweptOriginals]) -> None:
    """Leave a sweep; one whose step still runs as the service stops is left to whoever goes on in minutes."""
    with suppress(ValueError):
        steps.close()  # type: ignore[attr-defined] # a generator's
