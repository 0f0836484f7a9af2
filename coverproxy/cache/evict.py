"""Eviction: what was not used for longest goes, so that the cache stays within its bounds."""

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
    CachedFile,
    Shard,
    Stopped,
    WalkPace,
    beside_derivatives,
    clear_old_revisions,
    derivatives,
    shards,
)

_LEAST_PART = 50
"""For want of inodes one file of so many goes at least: a walk looks at all of them."""

Age = tuple[int, bool]
"""(day of last use, of the present revision?): in its natural order what goes first stands first.

Older revisions do not go first: they are served until they are made anew. Evicting them would have a key pay
for that.
"""


def plan(held: Mapping[Age, int], excess: int) -> dict[Age, int]:
    """Choose what goes: bytes to remove by age, given the bytes *held* by age.

    The longest unused first, and of one day those of older revisions. Every age before the last one goes
    whole, and of the last no more than is needed.
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
    """What a walk through the whole cache found. Its size is the number of days, not of files."""

    files: int = 0
    bytes: int = 0
    by_age: dict[Age, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, age: Age, size: int) -> None:
        """Count one derivative."""
        self.files += 1
        self.bytes += size
        self.by_age[age] += size

    def bytes_of(self, files: int) -> int:
        """Return what so many derivatives take, as plan() counts in bytes; at least a _LEAST_PART of all."""
        if files <= 0 or not self.files:
            return 0
        wanted = min(max(files, self.files // _LEAST_PART), self.files)
        return -(-sum(self.by_age.values()) * wanted // self.files)


@dataclass(frozen=True)
class Eviction:
    """What an eviction did: what the cache held before it, and what went. `is_whole`: it was not stopped."""

    held_files: int
    held_bytes: int
    files: int = 0
    bytes: int = 0
    is_whole: bool = True


class Evictor:
    """Keeps one cache folder within its bounds. Blocks; MUST run once at a time: see Janitor."""

    def __init__(self, layout: Layout, room: DiskBudget, last_use: LastUse) -> None:
        self.last_use = last_use
        self._layout = layout
        self._room = room

    def run(
        self, stop: threading.Event, bounds: DiskBounds | None = None, rest_seconds: float = 0.0
    ) -> Eviction:
        """Walk the cache, set the estimate of what it holds right, and evict if it is out of *bounds*.

        It rests for *rest_seconds* between small steps.
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
        """Walk through all files, and set right what the processes believe the cache to hold.

        What is stored meanwhile may be counted twice, never not at all: the cap holds.
        """
        before = self._room.held()
        survey = Survey(bytes=beside_derivatives(self._layout))
        for shard in shards(self._layout):
            with suppress(FileNotFoundError):
                survey.bytes += allocated(os.lstat(shard.path))
            for each in derivatives(shard):
                survey.add(self._age(each), allocated(each.stat))
                pace.step()
        self._room.adjust(survey.bytes - before)
        return survey

    def _remove(self, chosen: dict[Age, int], pace: WalkPace, outcome: Eviction) -> Eviction:
        """Walk again and remove what is of a chosen age, until enough of it went."""
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
        """Remove what is chosen from one folder, and the folder if it is then empty."""
        files = freed = stay = 0
        for each in derivatives(shard):
            age = self._age(each)
            if chosen.get(age, 0) > 0:
                size = each.remove()
                chosen[age] -= size
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

    def _age(self, held: CachedFile) -> Age:
        return self.last_use.day(held.stat), held.shard.is_live
