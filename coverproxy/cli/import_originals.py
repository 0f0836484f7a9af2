"""The import command."""

import os
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
import orjson

from coverproxy.cli.common import changed, counted, faults_told, options, tell
from coverproxy.cli.lists import exit_code
from coverproxy.cli.progress import progress
from coverproxy.config import Config
from coverproxy.storage import ownership

if TYPE_CHECKING:
    from coverproxy.originals.examine import Refusal
    from coverproxy.service.importer import ImportReport


@click.command("import")
@options
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--mode",
    type=click.Choice(["copy", "link", "reference"]),
    help="Copy files (default), hard-link them, or refer to them.",
)
@click.option("--source", default="", help="Source of these covers, for priorities and reports.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for refusals, as JSON lines (default: in the data folder).",
)
def import_(
    config: Config, as_json: bool, path: Path, mode: str | None, source: str, report_file: Path | None
) -> None:
    """Import covers from PATH.

    PATH is a folder tree of images named by ISBN (0545010225.jpg, 978-0-545-01022-1.png,
    9780545010221-front.jpg), or a CSV or TSV list (.csv, .tsv, .tab, .txt) with the columns
    isbn,file[,source,date]. Other column names are known: isbn13, ISBN-13; image, filename, path, cover,
    Bild. Linked folders are followed.

    The content of a file decides what it is. Only its header is read: a file that turns out corrupt when its
    cover is first made is skipped for the ISBN's next best. Files that are not images, too large, too small,
    on the list of refused hashes, or the same picture under many ISBNs ("no image" art) are refused.

    Ctrl-C is safe, and so is running it again: imported files are skipped.

    \b Exit code: 0 all imported, 3 some refused, 1 none imported (all refused, nothing found, or an error), 2
    a mistake in the command or the config, 130 interrupted.
    """
    config = changed(config, "imports", mode=mode)
    with faults_told():
        report, where = _run(config, path, source, report_file, quiet=as_json)
    told = asdict(report) | {"refused": dict(report.refused), "report": str(where) if where else None}
    tell(as_json, told, _summary(report, where))
    if report.interrupted:
        raise click.exceptions.Exit(130)
    if code := exit_code(report.added + report.already, report.refused.total()):
        raise click.exceptions.Exit(code)


def _run(
    config: Config, path: Path, source: str, report_file: Path | None, quiet: bool
) -> "tuple[ImportReport, Path | None]":
    from coverproxy.domain.list_text import NotAList
    from coverproxy.service.importer import candidates
    from coverproxy.wiring import open_importer, open_shelf

    data = Path(config.data.dir)
    name = f"{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**9:09d}-refused.jsonl"
    refusals = _Refusals(report_file or Path(config.data.dir, "imports", name))
    try:
        if next(candidates(path, source, data), None) is None and (data.is_dir() or not data.exists()):
            raise click.ClickException(f"{path}: it contains no files")
    except NotAList as exc:
        raise click.ClickException(f"{path}: {exc}") from None
    with ExitStack() as stack:
        shelf = stack.enter_context(open_shelf(config))
        stack.callback(refusals.close)
        show = stack.enter_context(progress("importing", "files", quiet=quiet))
        total = 0 if quiet else sum(1 for _ in candidates(path, source, data))
        importer = stack.enter_context(open_importer(config, shelf, refusals.note))
        report = importer.run(candidates(path, source, data), lambda report: show(report.seen, total))
    return report, refusals.path if refusals.count else None


class _Refusals:
    """The machine-readable report: a JSON line per refusal, in a file created with the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: TextIO | None = None

    def note(self, refusal: "Refusal") -> None:
        """Write one refusal."""
        if self._file is None:
            ownership.make_folder(self.path.parent)
            handle = ownership.opened(self.path, os.O_WRONLY | os.O_TRUNC)
            self._file = os.fdopen(handle, "w", encoding="utf-8")
        line = {name: value.encode(errors="replace").decode() for name, value in asdict(refusal).items()}
        self._file.write(orjson.dumps(line).decode() + "\n")
        self.count += 1

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file:
            self._file.close()


def _summary(report: "ImportReport", where: Path | None) -> str:
    refused = report.refused.total()
    lines = [
        f"{counted(report.seen, 'file')}: {counted(report.added, 'cover')} added "
        f"({report.bytes / 1e6:.1f} MB), {report.already} already there, {refused} refused"
    ]
    lines += [f"  {count:7}  {reason}" for reason, count in report.refused.most_common()]
    if report.replaced:
        lines.append(f"{report.replaced} replaced earlier ones of the same book")
    if report.lesser:
        what = "is not the best of its book" if report.lesser == 1 else "are not the best of their books"
        lines.append(
            f"{report.lesser} of them {what}, so another is shown: see coverproxy cover ISBN, and choose with"
            " coverproxy originals pin ISBN DIGEST"
        )
    if where:
        lines.append(f"Refusals with reasons, as JSON lines: {where}")
    if report.unremoved:
        lines.append(f"{report.unremoved}; until then they are shown: coverproxy doctor says what to do")
    if report.interrupted:
        lines.append("Interrupted: run the same command again to go on.")
    return "\n".join(lines)
