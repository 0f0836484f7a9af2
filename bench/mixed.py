"""How long do readers wait as they really come: some books popular, many without a cover, spelled as ever?

    python -m bench mixed [--covers DIR] [--popularity TSV] [--workers 2] [--rate 200] [--seconds 60]
                          [--books 10000]

`coverproxy serve` with N workers behind nginx with what `coverproxy nginx-conf` writes (without nginx where
it is not there: the result says which). It starts with an empty cache. Arrivals are at random moments
(Poisson), whoever has been answered or not, each timed from its moment (bench/client.py); the readers'
process shares the cores.

Which book: by --popularity, a TSV of ISBN and count, else by the curve fitted to one (bench/readers.py). 30 %
of the requests name a book without a cover, 5 % are spelled as only catalogues do, 5 % are HEADs, 10 % say
which cover they have (If-None-Match); 25 % small, 70 % medium, 5 % large.

Twice: readers who name no format, and readers with Chrome's Accept header, who get AVIF once it is made.

Told: percentiles by what the answer was, hit rate among covers (over the whole time, and over the last
third), CPU time per request (service and nginx), resident memory of each process at the end. Source: /proc.
"""

import contextlib
import random
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import click

from bench import books, client, command, plots, readers, report, scratch, serve, turns
from bench.client import Answer

ACCEPTS = {"any": "", "chrome": client.CHROME}
"""Who comes: readers who take JPEG, and then, over a folder of their own, readers with Chrome."""

TOLD = ("hit", "made", "missing", "pending")


@command.command(__name__, __doc__)
@command.covers
@click.option(
    "--popularity", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TSV: ISBN, count."
)
@command.workers
@click.option(
    "--rate", type=click.FloatRange(1, 5000), default=200.0, show_default=True, help="Requests a second."
)
@command.seconds(60.0)
@click.option("--books", "count", type=click.IntRange(10, 10_000_000), default=10_000, show_default=True)
@command.out
def main(
    covers: Path | None,
    popularity: Path | None,
    workers: int,
    rate: float,
    seconds: float,
    count: int,
    out: Path,
) -> None:
    """Let them come, and write the result."""
    weights = readers.counted(popularity, count) if popularity else readers.zipf(count)
    with scratch.folder() as name:
        folder = Path(name)
        found = books.originals(covers, folder / "drawn")
        figures, answers, through = {}, {}, ""
        for who, accept in ACCEPTS.items():
            books.fill(folder / who / "data", found, len(weights))
            with contextlib.ExitStack() as stack:
                served = stack.enter_context(serve.app(folder / who / "data", workers, {}))
                opening = partial(serve.front, folder / who / "front", served)
                fronts, skipped = turns.opened(stack, {"nginx": opening})
                through = "nginx" if fronts else skipped["nginx"]
                crowd = readers.Readers(f"/devkey/{served.key}", weights, random.Random(1))  # noqa: S311 - no secret
                asks = list(crowd.come(rate, seconds))
                answers[who], told = _come(served, fronts.get("nginx", served.url), asks, accept)
                figures[who] = _told(answers[who]) | told
    report.show(figures)
    settings = {
        **books.described(covers, found), "workers": workers, "rate": rate, "seconds": seconds,
        "through": through, "accepts": ACCEPTS, **readers.settings(weights, popularity),
    }  # fmt: skip
    print(report.write("mixed", settings, figures, out))
    _plot(answers, out / "mixed.svg")


def _come(
    served: serve.Served, url: str, asks: list[client.Ask], accept: str
) -> tuple[list[Answer], dict[str, Any]]:
    """Let readers come; return their answers, and what that cost."""
    processes = _processes(served, served.folder.parent / "front" / "nginx.pid")
    before = serve.cpu_seconds(list(processes))
    answers = client.apart(url, asks, accept)
    cpu = serve.cpu_seconds(list(processes)) - before
    covers = [answer.length for answer in answers if answer.label == "hit" and answer.length]
    return answers, {
        "cpu_ms_per_request": round(cpu * 1000 / len(answers), 3),
        "hit_bytes_mean": round(sum(covers) / max(len(covers), 1)),
        "better_made": served.counted('coverproxy_better_total{outcome="made"}'),
        "resident_mib": {
            f"{kind} {at}": round(serve.resident_mib(process), 1)
            for at, (process, kind) in enumerate(processes.items())
        },
    }


def _processes(served: serve.Served, nginx_pid: Path) -> dict[int, str]:
    """Return the service's and nginx's processes, and what each is."""
    master, *workers = serve.family(served.process)
    found = {master: "master", **dict.fromkeys(workers, "worker")}
    if nginx_pid.exists():
        found |= dict.fromkeys(serve.family(int(nginx_pid.read_text(encoding="ascii"))), "nginx")
    return found


def _told(answers: list[Answer]) -> dict[str, Any]:
    waits = {label: [a.seconds * 1000 for a in answers if a.label == label] for label in TOLD}
    last = [answer for answer in answers if answer.at > answers[-1].at * 2 / 3]
    unmodified = [answer.seconds * 1000 for answer in answers if answer.status == 304]
    return {
        "requests": len(answers),
        "answers": dict(Counter(answer.label or "none" for answer in answers).most_common()),
        "statuses": dict(Counter(str(answer.status) for answer in answers).most_common()),
        "all_ms": report.spread((answer.seconds * 1000 for answer in answers), 2),
        **{f"{label}_ms": report.spread(values, 2) for label, values in waits.items() if values},
        "not_modified_ms": report.spread(unmodified, 2),
        "messy_ms": report.spread((a.seconds * 1000 for a in answers if "messy" in a.kind), 2),
        "hit_rate": _hit_rate(answers), "hit_rate_last_third": _hit_rate(last),
    }  # fmt: skip


def _hit_rate(answers: list[Answer]) -> float:
    found = Counter(answer.label for answer in answers)
    return round(found["hit"] / max(found["hit"] + found["made"] + found["pending"], 1), 3)


def _plot(answers: dict[str, list[Answer]], path: Path) -> None:
    with plots.figure(path, len(answers), (12, 4)) as axes:
        for axis, (who, of) in zip(axes, answers.items(), strict=True):
            waits = {label: [each.seconds * 1000 for each in of if each.label == label] for label in TOLD}
            waits = {"all": [each.seconds * 1000 for each in of], **{k: v for k, v in waits.items() if v}}
            plots.waits(axis, waits)
            axis.set_title(f"as readers come, from an empty cache: {who}", fontsize=10)
