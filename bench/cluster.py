"""What do nodes behind consistent hashing hold, and what does it cost to lose one or to add one? Simulated.

    python -m bench cluster [--nodes 3] [--items 200000] [--requests 1000000] [--share 0.1]

A simulation, not a measurement: no server runs. Items are asked for by Zipf's law (exponent 1, by rank). A
ring of 160 points per node, as many as nginx has, sends each to a node; a node's disk holds --share of all
items ÷ nodes, least recently used first out. After a warm-up of as many requests, four phases of equal
length: all nodes; one node gone; it is back with its old disk; one more node with an empty disk. Each phase
is told with an object store, which keeps what was ever made, and without: a re-render is a cover made
before, made again.
"""

import bisect
import hashlib
import itertools
import random
from collections import Counter, OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bench import command, plots, report

POINTS = 160
PHASES = ("all nodes", "one lost", "it is back", "one more")


@command.command(__name__, __doc__)
@click.option("--nodes", type=click.IntRange(2, 1000), default=3, show_default=True)
@click.option("--items", type=click.IntRange(1000, 10_000_000), default=200_000, show_default=True)
@click.option("--requests", type=click.IntRange(10_000, 100_000_000), default=1_000_000, show_default=True)
@click.option("--share", type=click.FloatRange(0.001, 1), default=0.1, show_default=True)
@command.out
def main(nodes: int, items: int, requests: int, share: float, out: Path) -> None:
    """Simulate all phases and write the result."""
    figures = simulated(nodes, items, requests, share)
    report.show(figures)
    settings = {"nodes": nodes, "items": items, "requests": requests, "share": share, "simulated": True}
    print(report.write("cluster", settings, figures, out))
    _plot(figures, out / "cluster.svg")


class Ring:
    """Consistent hashing: each node has points on a ring, and an item goes to the next point's node."""

    def __init__(self, nodes: Sequence[int]) -> None:
        spread = sorted((_place(f"{node}/{point}"), node) for node in nodes for point in range(POINTS))
        self._places = [place for place, _ in spread]
        self._nodes = [node for _, node in spread]

    def node(self, place: int) -> int:
        """Return the node of an item's place on the ring."""
        return self._nodes[bisect.bisect(self._places, place) % len(self._nodes)]


def _place(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


class Disk:
    """What a node holds: so many items, the least recently used out first."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._held: OrderedDict[int, None] = OrderedDict()

    def asked(self, item: int) -> bool:
        """Return whether an item was there; it is now."""
        is_there = item in self._held
        self._held[item] = None
        self._held.move_to_end(item)
        if len(self._held) > self._room:
            self._held.popitem(last=False)
        return is_there


def simulated(nodes: int, items: int, requests: int, share: float) -> dict[str, Any]:
    """Return the figures of each phase, after a warm-up of as many requests; the same each time."""
    chance = random.Random(1)  # noqa: S311 - no secret
    weights = list(itertools.accumulate(1 / rank for rank in range(1, items + 1)))
    places = [_place(f"item {item}") for item in range(items)]
    disks = {node: Disk(max(1, int(items * share / nodes))) for node in range(nodes + 1)}
    members = [range(nodes), range(nodes), range(1, nodes), range(nodes), range(nodes + 1)]
    before: set[int] = set()
    figures = {}
    for name, alive in zip(("warm-up", *PHASES), members, strict=True):
        asked = chance.choices(range(items), cum_weights=weights, k=requests)
        figures[name] = _phase(Ring(alive), disks, places, asked, before)
    figures.pop("warm-up")
    return figures


def _phase(
    ring: Ring, disks: dict[int, Disk], places: list[int], asked: list[int], before: set[int]
) -> dict[str, Any]:
    load: Counter[int] = Counter()
    disk_hits = made = again = 0
    for item in asked:
        node = ring.node(places[item])
        load[node] += 1
        if disks[node].asked(item):
            disk_hits += 1
        elif item in before:
            again += 1
        else:
            made += 1
        before.add(item)
    total = len(asked)
    return {
        "disk_hit_share": round(disk_hits / total, 4),
        "hit_share_with_object_store": round((disk_hits + again) / total, 4),
        "made_first": made, "re_renders_without_object_store": again,
        "most_loaded_node_to_mean": round(max(load.values()) * len(load) / total, 3),
        "load": {str(node): round(count / total, 4) for node, count in sorted(load.items())},
    }  # fmt: skip


def _plot(figures: dict[str, Any], path: Path) -> None:
    names = list(figures)
    with plots.figure(path, 3, (12, 3.4)) as (hits, again, load):
        hits.bar(names, [figures[name]["disk_hit_share"] for name in names], color=plots.OURS, label="disk")
        added = [
            figures[name]["hit_share_with_object_store"] - figures[name]["disk_hit_share"] for name in names
        ]
        below = [figures[name]["disk_hit_share"] for name in names]
        hits.bar(names, added, bottom=below, color=plots.PEER, label="object store")
        hits.set(ylabel="share of requests that are hits", ylim=(0, 1))
        hits.legend(fontsize=8, loc="lower right")
        again.bar(names, [figures[name]["re_renders_without_object_store"] for name in names])
        again.set(ylabel="re-renders without an object store")
        load.bar(names, [figures[name]["most_loaded_node_to_mean"] for name in names])
        load.set(ylabel="most loaded node ÷ mean")
        for axis in (hits, again, load):
            axis.tick_params(labelsize=8)
            axis.grid(axis="y", alpha=0.3)
