"""The import command."""

import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli.common import changed, faults_told, options, tell
from coverproxy.cli.import_report import Refusals, report_path, summary
from coverproxy.cli.lists import exit_code
from coverproxy.cli.progress import progress
from coverproxy.config import Config, FeedConfig
from coverproxy.domain.original import Terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coverproxy.service.import_results import ImportReport
    from coverproxy.service.import_steps import Sender, Step


class _Import(click.Command):
    """The import command; `import openlibrary` is one of its own, as its material is."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """See click.Command."""
        if args[:1] == ["openlibrary"] and len(args) > 1:  # alone, it is a folder of that name
            from coverproxy.cli.import_openlibrary import openlibrary

            return openlibrary.make_context(f"{info_name} openlibrary", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command("import", cls=_Import)
@options
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--mode",
    type=click.Choice(["copy", "link", "reference"]),
    help="Copy files (default), hard-link them, or refer to them.",
)
@click.option("--source", default="", help="Source of these covers, for priorities and reports.")
@click.option("--licence", default="", help="Their licence, unless a list names one.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The last day on which they may be shown, unless a list names one.",
)
@click.option("--no-crop", is_flag=True, help="They may only be shown whole.")
@click.option(
    "--host", "hosts", multiple=True, help="A host from which pictures may be fetched; can be repeated."
)
@click.option(
    "--link",
    "koha",
    type=click.Choice(["local:koha", "isbn"]),
    default="local:koha",
    show_default=True,
    help="The kind of numbers in a zip for Koha.",
)
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for refusals, as JSON lines (default: in the data folder).",
)
def import_(
    config: Config, as_json: bool, path: Path, mode: str | None, source: str, licence: str,
    until: datetime | None, no_crop: bool, hosts: tuple[str, ...], koha: str, report_file: Path | None,
) -> None:  # fmt: skip
    """Take in covers from PATH.

    \b
    The type of PATH is recognised by content:
      a folder tree of images named by ISBN (0545010225.jpg, 9780545010221-front.jpg), or one such image;
      a CSV or TSV list (.csv, .tsv, .tab, .txt) with the columns isbn,file[,source,date]; other names are
        known (ISBN-13; image, filename, Bild, url), and licence, until and no_crop;
      a list of editions: isbn,work or isbn,other,relation (format, edition, translation);
      ONIX 3.0 or 2.1, with reference or short tags, and its pictures beside it or on a --host;
      MARC 21 (ISO 2709 or MARCXML), and the covers that its 856 fields link to on a --host;
      a zip of images named by ISBN, or one for Koha (idlink.txt, datalink.txt).

    Linked folders are followed. Links are fetched only from a --host, one a second.

    A picture is decoded where it matters: if its end is missing, or its book has another. One that is damaged
    is not shown and replaces nothing (coverproxy originals corrupt lists them); nor is one that proves
    damaged only when its cover is first made. Refused are files that are not images,
    too large, too small, on the list of refused hashes, or the same under many ISBNs ("no image" art).

    Ctrl-C is safe, and so is running it again: imported files are skipped.

    Open Library's dump and archives of covers are taken in by: coverproxy import openlibrary --help

    \b
    Exit code: 0 all imported, 3 some refused, 1 none imported (all refused, nothing found, or an error),
    2 a mistake in the command or the config, 130 interrupted.
    """
    config = changed(config, "imports", mode=mode)
    end = int(until.replace(tzinfo=UTC).timestamp()) + 86_400 if until else None
    feed = _unnamed_feed(hosts, koha)
    terms = Terms(licence or None, end, no_crop)
    with faults_told():
        report, where = _run(config, path, feed, source, terms, report_file, quiet=as_json)
    tell_report(as_json, report, where)


def _unnamed_feed(hosts: tuple[str, ...], koha: str) -> FeedConfig:
    try:
        return FeedConfig(name="marc", dir=".", hosts=hosts, koha=koha)
    except ValueError:
        raise click.BadParameter("expected a host like images.example.org", param_hint="--host") from None


def tell_report(as_json: bool, report: "ImportReport", where: Path | None) -> None:
    """Print an import's result, and end the command with its exit code."""
    told = asdict(report) | {"refused": dict(report.refused), "report": str(where) if where else None}
    tell(as_json, told, summary(report, where))
    if report.interrupted:
        raise click.exceptions.Exit(130)
    if code := exit_code(report.taken, report.refused.total()):
        raise click.exceptions.Exit(code)


def _run(
    config: Config, path: Path, feed: FeedConfig, source: str, terms: Terms, report_file: Path | None,
    quiet: bool,
) -> "tuple[ImportReport, Path | None]":  # fmt: skip
    from coverproxy.service.import_file import expected
    from coverproxy.wiring.commands import open_importer
    from coverproxy.wiring.data_folder import open_shelf
    from coverproxy.wiring.feeds import open_sender

    data = Path(config.data.dir)
    refusals = Refusals(report_file or report_path(config))
    with ExitStack() as stack:
        opened = stack.enter_context(open_sender(config, feed))
        sender = replace(opened, source=source, terms=terms, now=int(time.time()))
        if next(_offered(path, sender), None) is None and (data.is_dir() or not data.exists()):
            raise click.ClickException(f"{path}: there are no files in it")
        shelf = stack.enter_context(open_shelf(config, begins=_is_own(path, data)))
        stack.callback(refusals.close)
        show = stack.enter_context(progress("importing", "file", quiet=quiet))
        total = 0 if quiet else expected(path)
        importer = stack.enter_context(open_importer(config, shelf, refusals.note))
        report = importer.run(_offered(path, sender), lambda report: show(report.seen, total))
    return report, refusals.path if refusals.count else None


def _is_own(path: Path, data: Path) -> bool:
    """Return whether *path* is the folder of originals: read in again where their catalogue was lost."""
    return path.resolve() == (data / "originals").resolve()


def _offered(path: Path, sender: "Sender") -> "Iterator[Step]":
    """See offered(); an unsupported path ends the command with one sentence."""
    from coverproxy.domain.list_text import NotAList
    from coverproxy.service.import_file import offered

    try:
        return offered(path, sender)
    except NotAList as exc:
        raise click.ClickException(f"{path}: {exc}") from None
