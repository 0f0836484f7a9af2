"""Eviction: the least recently used derivatives go, so that the cache stays within its bounds."""

import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from coverproxy.cache.budget import DiskBounds, DiskBudget, allocated
from coverproxy.cache.last_use import LastUse
from coverproxy.cache.layout import Layout
from coverproxy.cache.walk import (
    Shard,
    Stopped,
    WalkedFile,
    WalkPace,
    beside_derivatives,
    clear_old_revisions,
    derivatives,
    shards,
)

_LEAST_PART = 50
"""When inodes run short, at least one file in this many goes: a walk visits all of them."""

_EMPTY = 1
"""Bytes that an empty file counts when ages are weighed: of none, it would stay while later ones go."""

Age = tuple[int, bool]
"""(day of last use, of the current revision?): the natural order is the order of eviction.

Older revisions do not go first: they are served until rendered anew, and evicting them would charge a key
for the new rendering.
"""


def plan(held: Mapping[Age, int], excess: int) -> dict[Age, int]:
    """Choose what to evict: bytes to remove by age, given the bytes *held* by age.

    Least recently used first; of the same day, older revisions first. Every age before the last one is
    removed completely, and of the last one no more than needed.
    """
    chosen = {}
    for age in sorted(held):
        if excess <= 0:
            break
        chosen[age] = min(held[age], excess)
        excess -= chosen[age]
    return chosen


@dataclass
class Survey:
    """The result of a walk through the whole cache. Its size depends on the number of days, not of files."""

    files: int = 0
    bytes: int = 0
    by_age: dict[Age, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, age: Age, size: int) -> None:
        """Count one derivative."""
        self.files += 1
        self.bytes += size
        self.by_age[age] += size or _EMPTY

    def bytes_of(self, files: int) -> int:
        """Estimate the bytes of so many files (plan() counts bytes); at least a _LEAST_PART of all."""
        if files <= 0 or not self.files:
            return 0
        wanted = min(max(files, self.files // _LEAST_PART), self.files)
        return -(-sum(self.by_age.values()) * wanted // self.files)


@dataclass(frozen=True)
class Eviction:
    """The result of an eviction: what the cache held before it, and what went.

    `is_whole`: it was not stopped.
    """

    held_files: int
    held_bytes: int
    files: int = 0
    bytes: int = 0
    is_whole: bool = True


class Evictor:
    """Keeps one cache folder within its bounds. Blocks; MUST run in one process at a time: see Janitor."""

    def __init__(self, layout: Layout, room: DiskBudget, last_use: LastUse) -> None:
        self.last_use = last_use
        self._layout = layout
        self._room = room

    def run(
        self, stop: threading.Event, bounds: DiskBounds | None = None, rest_seconds: float = 0.0
    ) -> Eviction:
        """Walk the cache, correct the estimate of its size, and evict if it exceeds *bounds*.

        Rests for *rest_seconds* between small steps.
        """
        pace = WalkPace(stop, rest_seconds)
        try:
            survey = self.survey(pace)
        except Stopped:
            return Eviction(0, 0, is_whole=False)
        held = self._room.held() + self._room.wanted()
        bounds, free = bounds or self._room.bounds, self._room.free()
        excess = max(bounds.excess(held, free.bytes), survey.bytes_of(bounds.short_of_inodes(free.inodes)))
        outcome = Eviction(survey.files, survey.bytes)
        return self._remove(plan(survey.by_age, excess), pace, outcome) if excess else outcome

    def survey(self, pace: WalkPace) -> Survey:
        """Walk through all files, and correct the processes' common estimate of the size.

        Files stored meanwhile may be counted twice but are never missed, so the cap holds.
        """
        before = self._room.held()
        survey = Survey(bytes=beside_derivatives(self._layout))
        for shard in shards(self._layout):
            with suppress(FileNotFoundError):
                survey.bytes += allocated(os.lstat(shard.path))
            shard.drop_dead_links()  # of what was evicted the last time
            for each in derivatives(shard):
                survey.add(self._age(each), allocated(each.stat))
                pace.step()
        self._room.adjust(survey.bytes - before)
        return survey

    def _remove(self, chosen: dict[Age, int], pace: WalkPace, outcome: Eviction) -> Eviction:
        """Walk again and remove files of the chosen ages, until enough is freed."""
        try:
            for shard in shards(self._layout):
                if not any(left > 0 for left in chosen.values()):
                    break
                files, freed = self._thin(shard, chosen, pace)
                outcome = replace(outcome, files=outcome.files + files, bytes=outcome.bytes + freed)
        except Stopped:
            return replace(outcome, is_whole=False)
        self._room.adjust(-clear_old_revisions(self._layout))
        return outcome

    def _thin(self, shard: Shard, chosen: dict[Age, int], pace: WalkPace) -> tuple[int, int]:
        """Remove the chosen files from one folder, and the folder if it is then empty."""
        files = freed = stay = 0
        for each in derivatives(shard):
            age = self._age(each)
            if chosen.get(age, 0) > 0:
                size = each.remove()
                chosen[age] -= size or _EMPTY
                files, freed = files + 1, freed + size
                self._room.adjust(-size)
            else:
                stay += 1
            pace.step()
        if not stay:
            cleared = shard.clear()
            freed += cleared
            self._room.adjust(-cleared)
        return files, freed

    def _age(self, held: WalkedFile) -> Age:
        return self.last_use.day(held.stat), held.shard.is_live
