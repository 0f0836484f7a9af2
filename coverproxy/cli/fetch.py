"""The fetch command, which downloads the covers of a list from a server."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli.common import faults_told, tell
from coverproxy.cli.lists import INTERRUPTED, exit_code, listed_lines, noted, readable
from coverproxy.cli.progress import progress
from coverproxy.domain.api_key import is_secret
from coverproxy.domain.counted import counted
from coverproxy.domain.errors import SecretAsKey
from coverproxy.domain.formats import Format
from coverproxy.domain.identifier import ISBN
from coverproxy.domain.isbn_list import NoColumn, Row
from coverproxy.domain.moment import iso

if TYPE_CHECKING:
    from coverproxy.client.download import DownloadReport, DownloadResult, DownloadWish
    from coverproxy.client.folder import Folder

EX_TEMPFAIL = 75
"""Try again later (sysexits.h)."""


@click.command()
@click.option("--server", required=True, metavar="URL", help="Address of the server, up to /devkey.")
@click.option("--key", required=True, help="Your developer key there.")
@click.argument("listed", metavar="LIST", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to fetch into; created if missing.",
)
@click.option("--size", default="medium", show_default=True, metavar="NAME", help="Size to fetch.")
@click.option(
    "--format",
    "form",
    type=click.Choice([Format.JPEG.value, Format.WEBP.value]),
    default=Format.JPEG.value,
    show_default=True,
    help="Format to ask for; a server without WebP sends JPEG.",
)
@click.option("--column", metavar="NAME", help="Column to use (default: isbn, oclc, …, else the first).")
@click.option(
    "--recheck-after",
    "fresh_hours",
    type=click.FloatRange(min=0.0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="Check again for changes after this time.",
)
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the result of each line, as JSON lines.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def fetch(
    server: str,
    key: str,
    listed: str,
    output: Path,
    size: str,
    form: str,
    column: str | None,
    fresh_hours: float,
    report_file: Path | None,
    as_json: bool,
) -> None:
    """Download the covers of all ISBNs in LIST from a server, at the rate that its terms allow.

    LIST is a file with an ISBN or scheme:value (oclc:12345) per line, or a CSV or TSV table; - reads standard
    input. Each cover is stored in DIR under its ISBN-13, or as oclc=12345. An item without a cover gets no
    file.

    Requests at most one new cover per second; existing ones come faster. When the day's quota is used up, it
    stops and says when to go on: run the same command again.

    Existing files are not downloaded again: after --recheck-after a conditional request checks for changes,
    which costs no quota. Ctrl-C is safe, and so is a crash: files appear complete or not at all.

    \b
    Exit code: 0 all done, 3 some lines failed or have no identifier, 1 all failed or the server refused,
    2 a mistake in the command, 75 the quota is used up, 130 interrupted.
    """
    from coverproxy.client.download import DownloadWish

    if is_secret(key):
        raise click.BadParameter(str(SecretAsKey()), param_hint="--key")
    wish = DownloadWish(_address(server), key, size, Format(form), fresh_hours * 3600)
    with faults_told():
        report = _run(wish, listed, column, output, report_file, quiet=as_json)
    tell(as_json, _as_json(report, report_file), _summary(report, report_file))
    if code := _exit_code(report):
        raise click.exceptions.Exit(code)


def _address(server: str) -> str:
    if not server.startswith(("http://", "https://")):
        raise click.BadParameter(f"{server!r} is not an address; expected https://…", param_hint="--server")
    return server.rstrip("/")


def _run(
    wish: "DownloadWish",
    listed: str,
    column: str | None,
    output: Path,
    report_file: Path | None,
    *,
    quiet: bool,
) -> "DownloadReport":
    from coverproxy.client.download import DownloadReport
    from coverproxy.client.folder import Folder

    report = DownloadReport()
    with ExitStack() as stack:
        try:
            lines, total = listed_lines(stack, listed, column)
        except NoColumn as exc:
            raise click.BadParameter(str(exc), param_hint="--column") from None
        note = stack.enter_context(noted(report_file, _line))
        folder = stack.enter_context(Folder(output).opened())
        show = stack.enter_context(progress("fetching", "cover", quiet=quiet))

        def take(result: "DownloadResult") -> None:
            note(result)
            show(report.lines, total)

        try:
            asyncio.run(_fetch(wish, folder, report, lines, take))
        except KeyboardInterrupt:
            report.interrupted = True
    return report


async def _fetch(
    wish: "DownloadWish",
    folder: "Folder",
    report: "DownloadReport",
    lines: Iterable[Row],
    take: "Callable[[DownloadResult], None]",
) -> None:
    import aiohttp

    from coverproxy.client.download import AGENT, TIMEOUT, Downloader

    async with aiohttp.ClientSession(timeout=TIMEOUT, headers={"User-Agent": AGENT}) as client:
        await Downloader(wish, folder, client, report).run(lines, take)


def _line(result: "DownloadResult") -> dict[str, Any]:
    item = result.item
    return {
        "line": result.line.number, "isbn": readable(result.line.text),
        "isbn13": item.value if item and item.scheme == ISBN else None,
        "identifier": str(item) if item else None,
        "outcome": result.outcome.value, "file": result.file or None, "bytes": result.bytes,
        "detail": readable(result.why) or None,
    }  # fmt: skip


def _exit_code(report: "DownloadReport") -> int:
    from coverproxy.client.download import DownloadOutcome

    if report.interrupted:
        return 130
    if report.stopped:
        return EX_TEMPFAIL if report.stopped.is_quota else 1
    failed = report.outcomes[DownloadOutcome.FAILED] + report.outcomes[DownloadOutcome.INVALID]
    return exit_code(report.outcomes.total() - failed, failed)


def _as_json(report: "DownloadReport", where: Path | None) -> dict[str, Any]:
    from coverproxy.client.download import DownloadOutcome

    stopped = report.stopped
    resets_at = stopped.resets_at if stopped else None
    return {
        "lines": report.lines,
        **{outcome.value: report.outcomes[outcome] for outcome in DownloadOutcome},
        "new": report.new, "bytes": report.bytes, "interrupted": report.interrupted,
        "stopped": str(stopped) if stopped else None, "resets_at": iso(resets_at),
        "report": str(where) if where else None,
    }  # fmt: skip


def _summary(report: "DownloadReport", where: Path | None) -> str:
    from coverproxy.client.download import DownloadOutcome

    count, each = report.outcomes, DownloadOutcome
    told = [
        f"{counted(report.lines, 'line')}: {counted(count[each.FETCHED], 'cover')} fetched "
        f"({report.bytes / 1e6:.1f} MB, {report.new} new), "
        f"{count[each.UNCHANGED]} unchanged, {count[each.KEPT]} already there; "
        f"{count[each.MISSING]} without a cover, {count[each.INVALID]} without an ISBN, "
        f"{count[each.FAILED]} failed"
    ]
    if report.stopped and not report.lines:
        told.clear()  # nothing was done: print only the reason
    elif where:
        told.append(f"Results by line: {where}")
    if report.stopped:
        when = report.stopped.resets_at
        again = f"; run the same command again after {iso(when)}" if when else ""
        told.append(f"Stopped: {report.stopped}{again}.")
    if report.interrupted:
        told.append(INTERRUPTED)
    return "\n".join(told)
