"""Removes leftovers from a cache folder: lone second spellings, and derivatives of old settings."""

from dataclasses import dataclass

from coverproxy.cache.budget import DiskBudget
from coverproxy.cache.layout import Layout
from coverproxy.cache.walk import clear_old_revisions, derivatives, shards


@dataclass
class SweptFiles:
    """What was removed. `lone`: files under an ISBN-10 whose ISBN-13 is gone; `old`: of old revisions."""

    lone: int = 0
    old: int = 0
    bytes: int = 0


def sweep(layout: Layout, room: DiskBudget, *, old_revisions: bool) -> SweptFiles:
    """Remove lone spellings, and with *old_revisions* all that the current settings do not serve. Blocks."""
    swept = SweptFiles()
    for shard in shards(layout):
        is_old = old_revisions and not shard.is_live
        for each in derivatives(shard):
            if is_old or each.is_lone:
                swept.bytes += each.remove()
                swept.old += is_old
                swept.lone += not is_old
        shard.drop_dead_links()
        swept.bytes += shard.clear()
    swept.bytes += clear_old_revisions(layout)
    room.adjust(-swept.bytes)
    return swept
