"""Who else fails when originals crash, hang or feed their decoder with memory, under load?

    python -m bench crashes [--covers DIR] [--workers 2] [--each 50] [--rate 40]

`coverproxy serve` with N workers, whose render processes are the product's own but for originals that carry a
mark: those read address 0 (SIGSEGV), sleep in one call into C, or take memory without end
(tests/crashing_child.py). --each of every kind come at even distances among new covers that come at --rate
a second at random moments (Poisson), each timed from its moment. A hang is ended at the time limit, 1 s.

Failed: another request whose answer is no cover. The marked ones are to be answered "missing", and
quarantined, each after one decode. Memory is of each worker with its render process, when all is over.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bench import books, client, command, readers, report, scratch, serve
from bench.client import Answer, Ask
from bench.goals import Goal, at_least, at_most
from coverproxy.domain.formats import Loader
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Identifier

KINDS = ("crash", "hang", "bomb")
MARK = "POISON-OF-BENCH"
SERVER = Path(__file__).parents[1] / "tests" / "crashing_server.py"
LIMIT_SECONDS = 1.0
SETTINGS = {
    "render": {
        "answer_within_seconds": 60.0, "browser_answer_within_seconds": 60.0,
        "time_limit_seconds": LIMIT_SECONDS, "queue": 1000,
    }
}  # fmt: skip
QUARANTINED = "coverproxy_originals_quarantined_total"


@command.command(__name__, __doc__)
@command.covers
@command.workers
@click.option("--each", type=click.IntRange(1, 1000), default=50, show_default=True, help="Of every kind.")
@click.option("--rate", type=click.FloatRange(1, 1000), default=40.0, show_default=True)
@command.out
def main(covers: Path | None, workers: int, each: int, rate: float, out: Path) -> None:
    """Ask for covers and poison, and write the result."""
    # A marked one takes a render process at most its second and the start of the next one. Faster than this
    # they alone would take all render processes, and the others would wait for turns, not for the faults.
    seconds = each * len(KINDS) * (1 + LIMIT_SECONDS) / workers
    with scratch.folder() as name:
        folder = Path(name)
        found = books.originals(covers, folder / "drawn")
        count = round(rate * seconds * 1.5) + 50
        books.fill(folder / "data", found, count)
        poison = list(_poison(folder, found[0], count, each))
        log = folder / "decoded"
        program = [sys.executable, str(SERVER), MARK, "marked", str(log)]
        with serve.app(folder / "data", workers, SETTINGS, program=program) as served:
            asks = _asks(served, count, poison, rate, seconds)
            before = serve.workers_of(served.process, workers)
            answers = client.apart(served.url, asks)
            replaced = len(set(serve.workers_of(served.process, workers)) - set(before))
            memory = [sum(map(serve.resident_mib, serve.family(worker))) for worker in before]
            quarantined = served.counted(QUARANTINED)
        decodes = len(log.read_text().splitlines())
    figures = _told(answers, len(poison), replaced, quarantined, decodes, memory)
    report.show(figures)
    settings = {**books.described(covers, found), "workers": workers, "each": each, "rate": rate}
    print(report.write("crashes", settings, figures, out, held=_held(figures)))


def _poison(folder: Path, cover: Path, first: int, each: int) -> Iterator[int]:
    """Enter *each* marked originals of every kind; yield their books' numbers."""
    from coverproxy.wiring.data_folder import open_shelf

    body = cover.read_bytes()
    with open_shelf(books.config_of(folder / "data")) as shelf, shelf.catalogue.writing() as tables:
        for number in range(first, first + each * len(KINDS)):
            path = folder / f"poison-{number}.jpg"
            path.write_bytes(body + f"{MARK} {KINDS[number % len(KINDS)]} {number}".encode())
            identifier = Identifier(ISBN, books.isbn(number))
            digest = number.to_bytes(16)
            tables.add(
                Original(identifier, digest, Loader.JPEG, 1, 1, 1, books.DATE + number, path=str(path))
            )
            yield number


def _asks(served: serve.Served, count: int, poison: list[int], rate: float, seconds: float) -> list[Ask]:
    chance = random.Random(1)  # noqa: S311 - no secret
    numbers = iter(range(count))
    others = [Ask(at, served.path(next(numbers))) for at in readers.moments(rate, seconds, chance)]
    step = seconds / len(poison)
    marked = [Ask(step * at, served.path(number), kind="poison") for at, number in enumerate(poison)]
    return sorted(others + marked)


def _told(
    answers: list[Answer], marked: int, replaced: int, quarantined: int, decodes: int, memory: list[float]
) -> dict[str, Any]:
    poison = [answer for answer in answers if answer.kind == "poison"]
    others = [answer for answer in answers if answer.kind != "poison"]
    failed = [answer for answer in others if answer.label not in ("made", "hit")]
    return {
        "others": len(others), "others_failed": len(failed),
        "others_failed_as": sorted({answer.label or str(answer.status) for answer in failed}),
        "others_ms": report.spread((answer.seconds * 1000 for answer in others), 1),
        "poison": marked, "poison_missing": sum(answer.label == "missing" for answer in poison),
        "poison_quarantined": quarantined, "poison_decodes": decodes, "workers_replaced": replaced,
        "worker_with_render_process_mib": [round(each, 1) for each in memory],
    }  # fmt: skip


def _held(figures: dict[str, Any]) -> list[Goal]:
    return [
        at_most("crashes: requests of others that fail", figures["others_failed"], 0),
        at_most("crashes: workers replaced", figures["workers_replaced"], 0),
        at_most("crashes: decodes ÷ poisonous originals", figures["poison_decodes"] / figures["poison"], 1),
        at_least("crashes: quarantined ÷ poisonous originals",
                 figures["poison_quarantined"] / figures["poison"], 1),
        at_most("crashes: worker with its render process, MiB",
                max(figures["worker_with_render_process_mib"]), 200),
    ]  # fmt: skip
