"""What does one cold cover cost when many ask for it at the same moment?

    python -m bench storm [--covers DIR] [--workers 2] [--clients 200] [--storms 20]

`coverproxy serve` with N workers, the clients' connections spread over all of them. In each storm all clients
ask at once for one cover that is not there yet; a storm begins when the one before is answered. Each must get
the cover, made once for all of them: how often it was made is read from the service's own metrics (answers
with X-Cover-Status "made", and renders). Latency is of all answers, from the moment all were to be asked; the
clients share the cores.
"""

from pathlib import Path
from typing import Any

import click

from bench import books, client, command, plots, report, scratch, serve
from bench.client import Answer, Ask
from bench.goals import Goal, at_most

APART_SECONDS = 1.0
RENDERS = 'coverproxy_span_seconds_count{span="render"}'


@command.command(__name__, __doc__)
@command.covers
@command.workers
@click.option("--clients", type=click.IntRange(2, 2000), default=200, show_default=True)
@click.option("--storms", type=click.IntRange(1, 1000), default=20, show_default=True)
@command.out
def main(covers: Path | None, workers: int, clients: int, storms: int, out: Path) -> None:
    """Have them all ask, count the renders, and write the result."""
    with scratch.folder() as name:
        folder = Path(name)
        found = books.originals(covers, folder / "drawn")
        books.fill(folder / "data", found, storms + 1)
        with serve.app(folder / "data", workers) as served:
            before = served.counted(RENDERS)
            asks = [
                Ask((storm + 1) * APART_SECONDS, served.path(storm), str(storm))
                for storm in range(storms)
                for _ in range(clients)
            ]
            answers = client.apart(served.url, asks)
            renders = served.counted(RENDERS) - before
    figures = _told(answers, renders, storms)
    report.show(figures)
    settings = {**books.described(covers, found), "workers": workers, "clients": clients, "storms": storms}
    print(report.write("storm", settings, figures, out, held=_held(figures)))
    _plot(answers, out / "storm.svg")


def _told(answers: list[Answer], renders: int, storms: int) -> dict[str, Any]:
    labels = [answer.label for answer in answers]
    waits = [answer.seconds * 1000 for answer in answers]
    slowest = [max(a.seconds for a in answers if a.kind == str(storm)) * 1000 for storm in range(storms)]
    return {
        "answers": {label or "none": labels.count(label) for label in sorted(set(labels))},
        "renders": renders, "renders_per_storm": renders / storms,
        "covers_answered_share": sum(label in ("hit", "made") for label in labels) / len(labels),
        "latency_ms": report.spread(waits, 1), "slowest_of_a_storm_ms": report.spread(slowest, 1),
    }  # fmt: skip


def _held(figures: dict[str, Any]) -> list[Goal]:
    share = figures["covers_answered_share"]
    return [at_most("renders of one cold cover asked for by many", figures["renders_per_storm"], 1,
                    f"{share:.1%} of the answers were the cover")]  # fmt: skip


def _plot(answers: list[Answer], path: Path) -> None:
    with plots.figure(path, 1, (7, 3.4)) as axis:
        storms = [int(answer.kind) + 1 for answer in answers]
        axis.scatter(storms, [answer.seconds * 1000 for answer in answers], s=4, alpha=0.3)
        axis.set(xlabel="storm", ylabel="ms until answered", ylim=(0, None))
        axis.grid(alpha=0.3)
        axis.set_title("each dot is one client that asked for the storm's cold cover", fontsize=10)
