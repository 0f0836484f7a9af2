"""What is left of the capacity when three times as much comes as can be made, and how long does anybody wait?

    python -m bench overload [--covers DIR] [--workers 2] [--factor 3] [--seconds 15] [--warm 8]

`coverproxy serve` with N workers and its default limits. First its capacity: new covers asked for without a
pause over 16 connections (wrk), as many as are made a second. Then new covers, each once, come at --factor
times that rate at random moments (Poisson), whoever has been answered or not, each timed from its moment
(bench/client.py); and then its capacity once more: the mean of both counts. What cannot be made in time is
answered "pending" (a placeholder, with Retry-After).

Goodput: covers answered within `answer_within_seconds` + 0.1 s, divided by the whole time of the arrivals.
The client takes its share of the cores, more of it in the overload than wrk before and after: what the
service loses by that counts against it.
"""

import random
import time
from pathlib import Path
from typing import Any

import click

from bench import books, client, command, plots, readers, report, scratch, serve
from bench.client import Answer, Ask
from bench.goals import Goal, at_least, at_most
from bench.wrk import Wrk
from coverproxy.config import Config

CLOSED = 16
GRACE_SECONDS = 0.1
IDLE_SECONDS = 30.0
MADE = 'coverproxy_answers_total{status="made"}'
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
            rest = iter(paths[wrk.at :])
            chance = random.Random(1)  # noqa: S311 - no secret
            moments = readers.moments(min(before * factor, MOST_PER_SECOND), seconds, chance)
            answers = client.apart(served.url, [Ask(at, next(rest)) for at in moments])
            wrk.at += len(answers)
            after = _capacity(served, wrk, warm)
    figures = _told(answers, (before, after), seconds, within)
    report.show(figures)
    settings = {
        **books.described(covers, found), "workers": workers, "factor": factor, "seconds": seconds,
        "answer_within_seconds": within, "queue_per_worker": Config().render.queue, "connections": CLOSED,
    }  # fmt: skip
    print(report.write("overload", settings, figures, out, held=_held(figures, within)))
    _plot(answers, figures, out / "overload.svg")


def _capacity(served: serve.Served, wrk: Wrk, seconds: float) -> float:
    """Return how many covers are made a second, once what came before is finished."""
    deadline = time.monotonic() + IDLE_SECONDS
    while served.counted("coverproxy_covers_making") and time.monotonic() < deadline:
        time.sleep(0.2)
    made = served.counted(MADE)
    run = wrk.run(seconds)
    return (served.counted(MADE) - made) / run.seconds


def _told(
    answers: list[Answer], capacities: tuple[float, float], seconds: float, within: float
) -> dict[str, Any]:
    capacity = sum(capacities) / 2
    good = [
        answer for answer in answers if answer.label == "made" and answer.seconds <= within + GRACE_SECONDS
    ]
    labels = [answer.label for answer in answers]
    return {
        "capacity_per_second": {"before": round(capacities[0], 1), "after": round(capacities[1], 1)},
        "arrivals_per_second": round(len(answers) / seconds, 1),
        "goodput_per_second": round(len(good) / seconds, 1),
        "goodput_share": round(len(good) / seconds / capacity, 3),
        "answers": {label or "none": labels.count(label) for label in sorted(set(labels))},
        "slowest_seconds": round(max(answer.seconds for answer in answers), 3),
        "made_ms": report.spread((answer.seconds * 1000 for answer in good), 1),
        "other_ms": report.spread((a.seconds * 1000 for a in answers if a.label != "made"), 1),
    }


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
                label=f"{label} ({len(shown):,})", color=plots.OURS if label == "made" else plots.PEER,
            )  # fmt: skip
        axis.set(xlabel="seconds", ylabel="seconds until answered", ylim=(0, None))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="upper right", markerscale=4)
        share, rate = figures["goodput_share"], figures["arrivals_per_second"]
        axis.set_title(f"{rate:,.0f} arrivals/s; goodput ÷ capacity {share}", fontsize=10)
