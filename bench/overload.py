"""What is left of the capacity when three times as much comes as can be made, and how long does anybody wait?

    python -m bench overload [--covers DIR] [--workers 2] [--factor 3] [--seconds 15] [--warm 8]

`coverproxy serve` with N workers and its default limits. First its capacity: new covers asked for without a
pause over 16 connections (wrk), as many as are made a second. Then new covers, each once, come at --factor
times that rate at random moments (Poisson), whoever has been answered or not, each timed from its moment
(bench/client.py); and then its capacity once more: the mean of both counts. What cannot be made in time is
answered "pending" (a placeholder, with Retry-After).

Goodput: covers answered within `answer_within_seconds` + 0.1 s, divided by the whole time of the arrivals.
The client takes its share of the cores, more of it in the overload than wrk before and after: what the
service loses by that counts against it. So that it can be judged, the CPU time of both phases stands beside
the goodput, for each cover made: of event loops (in the overload with all refusals), other threads of the
workers, render processes, and who asks. `made_for_nobody` tells how many covers came too late for theirs.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from bench import books, client, command, plots, readers, report, scratch, serve
from bench.client import Answer, Ask
from bench.goals import Goal, at_least, at_most
from bench.shares import Shares
from bench.wrk import Wrk
from coverproxy.config import Config

CLOSED = 16
GRACE_SECONDS = 0.1
IDLE_SECONDS = 30.0
RENDERED = 'coverproxy_span_seconds_count{span="render"}'
MOST_PER_SECOND = 4000.0


@command.command(__name__, __doc__)
@command.covers
@command.workers
@click.option("--factor", type=click.FloatRange(1, 20), default=3.0, show_default=True)
@command.seconds(15.0)
@click.option(
    "--warm", type=click.FloatRange(1, 600), default=8.0, show_default=True, help="Seconds for capacity."
)
@command.out
def main(covers: Path | None, workers: int, factor: float, seconds: float, warm: float, out: Path) -> None:
    """Measure the capacity, overload it, and write the result."""
    within = Config().render.answer_within_seconds
    with scratch.folder() as name:
        folder = Path(name)
        found = books.originals(covers, folder / "drawn")
        count = round((seconds * factor + 2 * warm) * MOST_PER_SECOND / factor)
        books.fill(folder / "data", found, count)
        with serve.app(folder / "data", workers, {}) as served:
            paths = [served.path(number) for number in range(count)]
            wrk = Wrk(served.url, paths, folder / "wrk", CLOSED)
            wrk.run(1.0)
            before = _capacity(served, wrk, warm)
            overload = _overload(served, iter(paths[wrk.at :]), before.per_second * factor, seconds)
            wrk.at += len(overload.answers)
            after = _capacity(served, wrk, warm)
    figures = _told(overload, (before, after), seconds, within)
    report.show(figures)
    settings = {
        **books.described(covers, found), "workers": workers, "factor": factor, "seconds": seconds,
        "answer_within_seconds": within, "queue_per_worker": Config().render.queue, "connections": CLOSED,
    }  # fmt: skip
    print(report.write("overload", settings, figures, out, held=_held(figures, within)))
    _plot(overload.answers, figures, out / "overload.svg")


class _Capacity(NamedTuple):
    """Covers made a second, and the ms of CPU time of each."""

    per_second: float
    cpu_ms: dict[str, float]


class _Overload(NamedTuple):
    """The answers; how many covers were made of it, in time or not, and the ms of CPU time of each."""

    answers: list[Answer]
    made: int
    cpu_ms: dict[str, float]


def _capacity(served: serve.Served, wrk: Wrk, seconds: float) -> _Capacity:
    """Return how many covers are made a second, once what came before is finished."""
    _await_idle(served)
    made, shares = served.counted(RENDERED), Shares(served)
    run = wrk.run(seconds)
    made = served.counted(RENDERED) - made
    return _Capacity(made / run.seconds, shares.per_cover(made))


def _overload(served: serve.Served, paths: Iterator[str], rate: float, seconds: float) -> _Overload:
    """Ask for new covers at random moments, *rate* a second; return what became of that."""
    chance = random.Random(1)  # noqa: S311 - no secret
    moments = readers.moments(min(rate, MOST_PER_SECOND), seconds, chance)
    asks = [Ask(at, next(paths)) for at in moments]
    _await_idle(served)
    made, shares = served.counted(RENDERED), Shares(served)
    told = client.told_apart(served.url, asks)
    _await_idle(served)
    made = served.counted(RENDERED) - made
    return _Overload(told.answers, made, shares.per_cover(made, told.cpu_seconds))


def _await_idle(served: serve.Served) -> None:
    """Wait until nothing is being made: what wrk asked for last, and what nobody waits for any more."""
    deadline = time.monotonic() + IDLE_SECONDS
    while served.counted("coverproxy_covers_making") and time.monotonic() < deadline:
        time.sleep(0.2)


def _told(
    overload: _Overload, capacities: tuple[_Capacity, _Capacity], seconds: float, within: float
) -> dict[str, Any]:
    before, after = capacities
    capacity, answers = (before.per_second + after.per_second) / 2, overload.answers
    good = [
        answer for answer in answers if answer.label == "made" and answer.seconds <= within + GRACE_SECONDS
    ]
    labels = [answer.label for answer in answers]
    return {
        "capacity_per_second": {"before": round(before.per_second, 1), "after": round(after.per_second, 1)},
        "arrivals_per_second": round(len(answers) / seconds, 1),
        "goodput_per_second": round(len(good) / seconds, 1),
        "goodput_share": round(len(good) / seconds / capacity, 3),
        "made_for_nobody": overload.made - len(good),
        "answers": {label or "none": labels.count(label) for label in sorted(set(labels))},
        "slowest_seconds": round(max(answer.seconds for answer in answers), 3),
        "made_ms": report.spread((answer.seconds * 1000 for answer in good), 1),
        "other_ms": report.spread((a.seconds * 1000 for a in answers if a.label != "made"), 1),
        "cpu_ms_per_cover_made": {
            "capacity, before": before.cpu_ms, "overload": overload.cpu_ms, "capacity, after": after.cpu_ms,
        },
    }  # fmt: skip


def _held(figures: dict[str, Any], within: float) -> list[Goal]:
    slowest = figures["slowest_seconds"]
    return [
        at_least("overload: goodput ÷ capacity", figures["goodput_share"], 0.9),
        at_most(
            "overload: slowest answer, s", slowest, round(within + GRACE_SECONDS, 3), "answer_within + 0.1 s"
        ),
    ]


def _plot(answers: list[Answer], figures: dict[str, Any], path: Path) -> None:
    with plots.figure(path, 1, (8, 3.6)) as axis:
        for label in sorted({answer.label for answer in answers}):
            shown = [answer for answer in answers if answer.label == label]
            axis.scatter(
                [answer.at for answer in shown], [answer.seconds for answer in shown], s=2, alpha=0.4,
                label=f"{label} ({len(shown):,})", rasterized=True,
                color=plots.OURS if label == "made" else plots.PEER,
            )  # fmt: skip
        axis.set(xlabel="seconds", ylabel="seconds until answered", ylim=(0, None))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="upper right", markerscale=4)
        share, rate = figures["goodput_share"], figures["arrivals_per_second"]
        axis.set_title(f"{rate:,.0f} arrivals/s; goodput ÷ capacity {share}", fontsize=10)
