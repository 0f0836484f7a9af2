"""What does a service of that size take: bytes in the database, the object store and on disk, and cores?

    python -m bench capacity --items 30000000 --requests 1000 [--misses 0.01] [--covers 2] [--held 0.1]

Arithmetic over figures that other benchmarks measured (bench/README.md, docs/scale.md): nothing runs. Between
machines, cores differ: measure one of yours with `hits` and `misses`, and scale.
"""

import math

import click

from bench import command, report

ITEM_BYTES = 242
"""A row of the catalogue in PostgreSQL, with its indices: `postgres`."""

ORIGINAL_BYTES, COVER_BYTES = 110_000, 13_000
"""A real original (the mean of 91), and a medium cover: `quality --ladder`."""

HIT_SECONDS, MISS_SECONDS = 15.5e-6, 6.9e-3
"""Of a core: a hit through nginx (`hits`), and a cover that is made, wherever its time goes (`misses`)."""

DATABASE_TAKES = 400
"""Covers a second that one key can be charged for: its counts wait for each other's commit (`postgres`)."""

BUSY = 0.5
"""How much of a core is planned with: the rest is for peaks, and for a node that fails."""


def model(items: int, requests: float, misses: float, covers: float, held: float) -> dict[str, float]:
    """Return what it takes; see the command's options."""
    made = requests * misses
    hits, making = (requests - made) * HIT_SECONDS, made * MISS_SECONDS
    return {
        "database_gb": round(items * ITEM_BYTES / 1e9, 1),
        "originals_tb": round(items * ORIGINAL_BYTES / 1e12, 2),
        "covers_tb": round(items * covers * COVER_BYTES / 1e12, 2),
        "all_nodes_disk_tb": round(items * covers * COVER_BYTES * held / 1e12, 3),
        "covers_made_per_second": round(made, 1),
        "cores_for_hits": round(hits, 2),
        "cores_for_making": round(making, 2),
        "cores_planned": math.ceil((hits + making) / BUSY),
        "keys_needed_at_least": math.ceil(made / DATABASE_TAKES),
    }


@command.command(__name__, __doc__)
@click.option("--items", type=click.IntRange(1), required=True, help="Books and other items.")
@click.option("--requests", type=click.FloatRange(0), required=True, help="Requests a second.")
@click.option("--misses", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Share made.")
@click.option("--covers", type=click.FloatRange(0), default=2.0, show_default=True, help="Kept of an item.")
@click.option("--held", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Share on disks.")
def main(items: int, requests: float, misses: float, covers: float, held: float) -> None:
    """Print it."""
    report.show(model(items, requests, misses, covers, held))
