"""The warm command, which makes covers before they are requested."""

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli.common import faults_told, needs_data, options, tell
from coverproxy.cli.lists import INTERRUPTED, exit_code, listed_lines, noted, readable
from coverproxy.cli.progress import progress
from coverproxy.config import Config
from coverproxy.domain.counted import counted
from coverproxy.domain.formats import Format

if TYPE_CHECKING:
    from coverproxy.concurrency.process_pool import PoolPace
    from coverproxy.domain.isbn_list import Row
    from coverproxy.service.prewarm import PrewarmReport, PrewarmResult


@click.command()
@options
@click.argument("listed", metavar="LIST", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--size", "sizes", multiple=True, metavar="NAME", help="Make this size (default: all named sizes)."
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice([form.value for form in Format]),
    help="Make this format (default: jpg).",
)
@click.option(
    "--share",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=0.5,
    show_default=True,
    help="Share of all cores that it may use.",
)
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write failures with reasons, as JSON lines.",
)
@needs_data
def warm(
    config: Config,
    as_json: bool,
    listed: str,
    sizes: tuple[str, ...],
    formats: tuple[str, ...],
    share: float,
    report_file: Path | None,
) -> None:
    """Make the covers of all ISBNs in LIST that do not exist yet.

    LIST is a file with an ISBN or scheme:value (oclc:12345) per line, or a CSV or TSV table with columns
    isbn, oclc, issn, … (else the first column counts); - reads standard input. Blank lines and lines that
    begin with # are skipped.

    Needs no key and no quota. Servers may run at the same time: no cover is made twice. It takes no more than
    its share of the machine, and requests take precedence.

    Ctrl-C is safe, and so is running it again: existing covers are skipped.

    \b
    Exit code: 0 all possible covers exist, 3 some lines failed or have no identifier, 1 all failed, or it
    ended early, 2 a mistake in the command or the config, 130 interrupted.
    """
    from coverproxy.concurrency.process_pool import cores, pace
    from coverproxy.service.prewarm import PrewarmReport

    names, wanted = _sizes(config, sizes), _formats(config, formats)
    report, allowed, started = PrewarmReport(), pace(share, cores()), time.monotonic()
    with faults_told():
        try:
            _run(config, listed, names, wanted, allowed, report, report_file, quiet=as_json)
        except KeyboardInterrupt:  # before the first item, or a second Ctrl-C
            report.interrupted = True
    seconds = time.monotonic() - started
    tell(as_json, _as_json(report, allowed, seconds, report_file), _summary(report, report_file))
    if report.interrupted:
        raise click.exceptions.Exit(130)
    if code := 1 if report.ended else _exit_code(report):
        raise click.exceptions.Exit(code)


def _exit_code(report: "PrewarmReport") -> int:
    from coverproxy.service.prewarm import PrewarmOutcome

    count, each = report.outcomes, PrewarmOutcome
    done = count[each.MADE] + count[each.ALREADY] + count[each.MISSING]
    return exit_code(done, count[each.FAILED] + count[each.INVALID])


def _sizes(config: Config, names: tuple[str, ...]) -> tuple[str, ...]:
    table = config.size_table
    found = [table.named(name) for name in names]
    for name, size in zip(names, found, strict=True):
        if size is None:
            known = ", ".join([*table.sizes, *table.aliases])
            raise click.BadParameter(f"{name!r} is not a size of the config; expected one of {known}")
    usual = tuple(name for name, size in config.sizes.items() if size.prewarm)
    return tuple(dict.fromkeys(filter(None, found))) or usual or tuple(config.sizes)


def _formats(config: Config, values: tuple[str, ...]) -> tuple[Format, ...]:
    formats = tuple(Format(value) for value in dict.fromkeys(values)) or (Format.JPEG,)
    for form in formats:
        if form not in config.formats.enabled:
            raise click.BadParameter(f"{form.value} is not switched on: formats.{form.value} in the config")
    return formats


def _run(
    config: Config,
    listed: str,
    sizes: tuple[str, ...],
    formats: tuple[Format, ...],
    allowed: "PoolPace",
    report: "PrewarmReport",
    report_file: Path | None,
    *,
    quiet: bool,
) -> None:
    from coverproxy.concurrency.process_pool import ThrottledPool
    from coverproxy.wiring.prewarm import open_warmer

    with ExitStack() as stack:
        read, total = listed_lines(stack, listed)
        _ping(config)
        note = stack.enter_context(noted(report_file, _unmade))
        show = stack.enter_context(progress("warming", "line", quiet=quiet))

        def take(results: "list[PrewarmResult]", lines: int) -> None:
            report.add(lines, results)
            for result in results:
                note(result)
            show(report.lines, total)
            if report.ended:
                crew.stop()

        def give_up(line: "Row", how: str) -> None:
            take([_died(line, how)], 1)

        crew = ThrottledPool(partial(open_warmer, config, sizes, formats), allowed, take, give_up)
        crew.run(read)
        report.interrupted = crew.is_interrupted


def _ping(config: Config) -> None:
    """Report faults of the data folder here, once, instead of by each process."""
    from coverproxy.wiring.data_folder import open_shelf

    with open_shelf(config) as shelf:
        shelf.catalogue.ping()


def _died(line: "Row", how: str) -> "PrewarmResult":
    from coverproxy.service.prewarm import PrewarmOutcome, PrewarmResult

    return PrewarmResult(line, PrewarmOutcome.FAILED, why=f"the process that made it died: {how}")


def _unmade(result: "PrewarmResult") -> dict[str, Any] | None:
    """Tell a failure."""
    if not result.why:
        return None
    return {
        "line": result.line.number, "isbn": readable(result.line.text), "spec": result.spec or None,
        "reason": result.outcome.value, "detail": readable(result.why),
    }  # fmt: skip


def _as_json(report: "PrewarmReport", pace: "PoolPace", seconds: float, where: Path | None) -> dict[str, Any]:
    from coverproxy.service.prewarm import PrewarmOutcome

    return {
        "lines": report.lines,
        **{outcome.value: report.outcomes[outcome] for outcome in PrewarmOutcome},
        "interrupted": report.interrupted, "ended": report.ended or None, "seconds": round(seconds, 2),
        "workers": pace.workers, "duty": round(pace.duty, 3), "report": str(where) if where else None,
    }  # fmt: skip


def _summary(report: "PrewarmReport", where: Path | None) -> str:
    from coverproxy.service.prewarm import PrewarmOutcome

    count, each = report.outcomes, PrewarmOutcome
    told = [
        f"{counted(report.lines, 'line')}: {counted(count[each.MADE], 'cover')} made, "
        f"{count[each.ALREADY]} already there, {count[each.FAILED]} failed; "
        f"{counted(count[each.MISSING], 'book')} without a cover, "
        f"{counted(count[each.INVALID], 'line')} without an ISBN"
    ]
    if where:
        told.append(f"Failures with reasons, as JSON lines: {where}")
    if report.ended:
        told.append(f"Ended early: {report.ended}")
    if report.interrupted:
        told.append(INTERRUPTED)
    return "\n".join(told)
