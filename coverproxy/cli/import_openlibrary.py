"""The command that joins Open Library's dump of editions with its archives of covers."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli.common import faults_told, options, tell
from coverproxy.cli.import_report import Refusals, report_path, summary
from coverproxy.cli.lists import exit_code, listed_lines
from coverproxy.cli.progress import progress
from coverproxy.config import Config
from coverproxy.domain.counted import counted

if TYPE_CHECKING:
    from coverproxy.originals.wanted_covers import WantedCovers
    from coverproxy.service.import_results import ImportReport
    from coverproxy.service.importer import Importer
    from coverproxy.service.openlibrary_join import JoinReport
    from coverproxy.storage.disk_set import DiskSet
    from coverproxy.wiring.data_folder import DataFolder

WORK_FILE = "openlibrary.db"


@click.command()
@options
@click.argument("dump", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--covers",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that the archives of covers lie in, at any depth.",
)
@click.option("--only", help="A list of the ISBNs that are wanted, as of your own holdings.")
@click.option("--copy", is_flag=True, help="Copy pictures out of the archives, which may then be deleted.")
def openlibrary(
    config: Config, as_json: bool, dump: Path, covers: Path, only: str | None, copy: bool
) -> None:
    """Take in Open Library's covers: its DUMP of editions, and its archives of covers.

    DUMP is ol_dump_editions_YYYY-MM-DD.txt.gz, packed or not. The archives are covers_NNNN_BB.zip (or .tar)
    and olcoversN.zip, as they can be downloaded; docs/operate.md says from where, and how much disk it takes.
    Nothing is unpacked: a cover is read at its place in its archive, so the archives have to stay where they
    are, unless you --copy.

    Run it again when more archives have come: the dump is not read again, and what is in is passed over.
    Ctrl-C and crashes cost nothing either. Editions of one work are linked (see "Other editions").

    Exit codes are those of coverproxy import.
    """
    refusals = Refusals(report_path(config))
    with faults_told(), ExitStack() as stack:
        stack.callback(refusals.close)
        join, report = _run(config, stack, dump, covers, only, refusals, is_copied=copy, quiet=as_json)
    where = refusals.path if refusals.count else None
    told = asdict(report) | {"refused": dict(report.refused), "report": str(where) if where else None}
    said = (
        f"{counted(join.lines, 'line')} of the dump: {counted(join.editions, 'edition')},"
        f" {counted(join.wanted, 'cover')} wanted, {join.unread} unreadable\n{summary(report, where)}"
    )
    tell(as_json, told | {"dump": asdict(join)}, said)
    if report.interrupted:
        raise click.exceptions.Exit(130)
    if code := exit_code(report.taken + join.editions, report.refused.total() + join.unread):
        raise click.exceptions.Exit(code)


def _run(
    config: Config, stack: ExitStack, dump: Path, covers: Path, only: str | None, refusals: Refusals,
    *, is_copied: bool, quiet: bool,
) -> "tuple[JoinReport, ImportReport]":  # fmt: skip
    from coverproxy.originals.wanted_covers import SqliteWantedCovers
    from coverproxy.service.import_results import ImportReport
    from coverproxy.service.openlibrary_join import DumpReader, JoinReport
    from coverproxy.wiring.commands import open_importer
    from coverproxy.wiring.data_folder import open_shelf

    chosen, chosen_by = _holdings(stack, only) if only else (None, "")
    shelf = stack.enter_context(open_shelf(config))
    work_file = Path(config.data.dir, "imports", WORK_FILE)
    wanted = stack.enter_context(SqliteWantedCovers(work_file).opened())
    reader = DumpReader(shelf.catalogue, wanted, refusals.note, chosen, chosen_by)
    total = dump.stat().st_size
    try:
        with progress("reading the dump", "byte", quiet=quiet) as show:
            join: JoinReport = reader.read(dump, lambda report: show(report.bytes, total))
    except KeyboardInterrupt:
        return reader.report, ImportReport(interrupted=True)
    importer = stack.enter_context(open_importer(config, shelf, refusals.note))
    with progress("importing", "cover", quiet=quiet) as show:
        return join, _take_in(shelf, wanted, importer, dump, covers, show, is_copied=is_copied)


def _take_in(
    shelf: "DataFolder", wanted: "WantedCovers", importer: "Importer", dump: Path, covers: Path, show: Any,
    *, is_copied: bool,
) -> "ImportReport":  # fmt: skip
    """Take in what the archives have, one after the other; those that were tried are passed over."""
    from coverproxy.service.feed_run import add_up
    from coverproxy.service.import_results import ImportReport
    from coverproxy.service.openlibrary_join import ArchiveReader, archive_stamp, archives

    total, present = ImportReport(), archives(covers)
    read = wanted.progress(dump.name)
    archives_reader = ArchiveReader(shelf.catalogue, wanted, present, is_copied)
    for name, path in sorted(present.items()):
        stamp = archive_stamp(path, read) if read else ""
        if wanted.is_tried(name, stamp):
            continue
        done = total.seen
        found = importer.run(archives_reader.steps(path), lambda report: show(done + report.seen, 0))  # noqa: B023
        add_up(total, found)
        if found.interrupted:
            break
        wanted.note_tried(name, stamp)
    return total


def _holdings(stack: ExitStack, only: str) -> "tuple[DiskSet, str]":
    """Read the list of wanted ISBNs, in bounded memory; other lines are ignored."""
    from coverproxy.storage.disk_set import DiskSet

    rows, _ = listed_lines(stack, only)
    chosen, seen = stack.enter_context(DiskSet()), hashlib.sha256()
    for key in _keys(row.text for row in rows):
        chosen.add(key)
        seen.update(key)
    return chosen, f"only {seen.hexdigest()[:16]}"


def _keys(texts: Iterator[str]) -> Iterator[bytes]:
    from coverproxy.domain import schemes
    from coverproxy.domain.errors import NotAnIdentifier

    for text in texts:
        try:
            sure = schemes.read(text).sure
        except NotAnIdentifier:
            continue
        if sure is not None:
            yield str(sure).encode()
