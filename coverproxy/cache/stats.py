"""Statistics of a cache: counts by size, format and revision."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from coverproxy.cache.budget import allocated
from coverproxy.cache.last_use import LastUse
from coverproxy.cache.layout import Layout
from coverproxy.cache.walk import derivatives, shards


@dataclass
class CachePart:
    """A group of derivatives: how many, and the bytes they take on disk."""

    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, order=True)
class PartKind:
    """What a group of derivatives has in common."""

    size: str
    format: str
    revision: str
    is_live: bool


@dataclass
class CacheStats:
    """All derivatives of a cache. Days count from 1970; None if there are no derivatives."""

    parts: dict[PartKind, CachePart] = field(default_factory=lambda: defaultdict(CachePart))
    oldest_day: int | None = None
    newest_day: int | None = None

    def total(self, *, is_live: bool | None = None) -> CachePart:
        """Sum up all, or only those of current or of old revisions."""
        chosen = [part for kind, part in self.parts.items() if is_live in (None, kind.is_live)]
        return CachePart(sum(part.files for part in chosen), sum(part.bytes for part in chosen))

    def add(self, kind: PartKind, size: int, day: int) -> None:
        """Count one derivative."""
        part = self.parts[kind]
        part.files += 1
        part.bytes += size
        self.oldest_day = day if self.oldest_day is None else min(day, self.oldest_day)
        self.newest_day = day if self.newest_day is None else max(day, self.newest_day)


def take_stock(layout: Layout, last_use: LastUse) -> CacheStats:
    """Walk through the cache and count. Blocks."""
    stock = CacheStats()
    for kind, size, day in _counted(layout, last_use):
        stock.add(kind, size, day)
    return stock


def _counted(layout: Layout, last_use: LastUse) -> Iterator[tuple[PartKind, int, int]]:
    for shard in shards(layout):
        kind = PartKind(shard.size, shard.format, shard.revision, shard.is_live)
        for each in derivatives(shard):
            yield kind, allocated(each.stat), last_use.day(each.stat)
