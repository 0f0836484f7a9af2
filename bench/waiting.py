"""Do hits wait behind renders: how slow is a hit while new covers keep every core busy?

    python -m bench waiting [--covers DIR] [--workers 2] [--rate 100] [--seconds 10] [--rounds 2]

`coverproxy serve` with N workers, asked directly, and through nginx with what `coverproxy nginx-conf` writes.
Hits come at a fixed rate, each at its moment whether or not the one before has come back, and are timed from
that moment (bench/client.py). First alone, then while 16 connections ask for new covers without a pause
(wrk, at the service directly), in turns. Every answer must say that it was a hit.

The floor: a process that answers every request at once with as many bytes (bench/floor.py), beside the same
misses. Hits that wait no longer than there wait for a core, which the kernel shares between renders, nginx,
wrk and the readers' own process, which has a higher priority where that is allowed.
"""

import asyncio
import contextlib
import random
import time
from pathlib import Path
from typing import Any

import click

from bench import books, client, command, floor, plots, readers, report, scratch, serve, turns
from bench.client import Ask, ask_once
from bench.goals import Goal, at_most
from bench.wrk import Wrk

BOOKS = 100_000
HOT = 50
MISSES_AT_ONCE = 16
SETTLE_SECONDS = 2.0
FRONT, ALONE, FLOOR = "through nginx", "app alone", "the floor"


@command.command(__name__, __doc__)
@command.covers
@command.workers
@click.option(
    "--rate", type=click.IntRange(10, 10_000), default=100, show_default=True, help="Hits a second."
)
@command.seconds(10.0)
@click.option("--rounds", type=click.IntRange(1, 20), default=2, show_default=True)
@command.out
def main(covers: Path | None, workers: int, rate: int, seconds: float, rounds: int, out: Path) -> None:
    """Take turns with and without misses, and write the result."""
    with scratch.folder() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        books.fill(folder / "data", books.originals(covers, folder / "drawn"), BOOKS)
        served = stack.enter_context(serve.app(folder / "data", workers))
        fronts, skipped = turns.opened(stack, {FRONT: lambda: serve.front(folder / "front", served)})
        hot = asyncio.run(ask_once(served.url, [served.path(number) for number in range(HOT)], 1))
        floor_url = stack.enter_context(floor.running(sum(len(body) for _, _, body in hot) // HOT))
        urls = {**fronts, ALONE: served.url, FLOOR: floor_url}
        new = [served.path(number) for number in range(HOT, BOOKS)]
        misses = Wrk(served.url, new, folder / "wrk", MISSES_AT_ONCE)
        waits, made = _turns(urls, served, misses, (rate, seconds, rounds))
    figures = _told(waits, made) | {name: {"skipped": reason} for name, reason in skipped.items()}
    report.show(figures)
    settings = {
        "covers": "real" if covers else "drawn", "workers": workers, "rate": rate, "seconds": seconds,
        "rounds": rounds, "misses_at_once": MISSES_AT_ONCE, "hot": HOT,
    }  # fmt: skip
    print(report.write("waiting", settings, figures, out, held=_held(figures)))
    _plot(waits, out / "waiting.svg")


def _turns(
    urls: dict[str, str], served: serve.Served, misses: Wrk, settings: tuple[int, float, int]
) -> tuple[dict[str, list[float]], list[float]]:
    """Return the hits' waits in ms by what was asked how, and the covers made a second meanwhile."""
    rate, seconds, rounds = settings
    waits: dict[str, list[float]] = {
        f"{name}, {how}": [] for name in urls for how in ("idle", "among misses")
    }
    made = []
    for _ in range(rounds):
        for name, url in urls.items():
            waits[f"{name}, idle"] += _hits(url, served, rate, seconds)
            with misses.running(seconds + 2 * SETTLE_SECONDS, "made") as runs:
                time.sleep(SETTLE_SECONDS)
                waits[f"{name}, among misses"] += _hits(url, served, rate, seconds)
            made.append(runs[0].per_second)
    return waits, made


def _hits(url: str, served: serve.Served, rate: int, seconds: float) -> list[float]:
    chance = random.Random(1)  # noqa: S311 - no secret
    moments = readers.evenly(rate, seconds + 1)
    answers = client.apart(url, [Ask(at, served.path(chance.randrange(HOT))) for at in moments])
    wrong = [answer for answer in answers if answer.label != "hit"]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {len(answers)} answers were no hits, such as {wrong[0]}")
    return [answer.seconds * 1000 for answer in answers if answer.at >= 1]  # before, connections are opened


def _told(waits: dict[str, list[float]], made: list[float]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        name: {"hits": len(values), **report.spread(values, 2)} for name, values in waits.items()
    }
    names = {name.rpartition(", ")[0] for name in waits}
    figures["p99_ratio"] = {
        name: round(figures[f"{name}, among misses"]["p99"] / figures[f"{name}, idle"]["p99"], 2)
        for name in sorted(names)
    }
    figures["misses_per_second"] = [round(rate, 1) for rate in made]
    return figures


def _held(figures: dict[str, Any]) -> list[Goal]:
    ratios = figures["p99_ratio"]
    note = f"the floor: {ratios[FLOOR]}"
    return [
        at_most("hit p99 through nginx, misses saturating both cores ÷ idle", ratios.get(FRONT), 2, note),
        at_most("hit p99 of the app alone, misses saturating both cores ÷ idle", ratios[ALONE], 1.5, note),
    ]


def _plot(waits: dict[str, list[float]], path: Path) -> None:
    with plots.figure(path, 1, (7, 4)) as axis:
        plots.waits(axis, waits)
        axis.set_title("hits, with and without misses on all cores", fontsize=10)
