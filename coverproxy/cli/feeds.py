"""Commands about feeds: run, list, status, and watch, which runs them as files land."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli.common import faults_told, needs_data, options, tell
from coverproxy.cli.import_originals import tell_report
from coverproxy.cli.import_report import Refusals, report_path
from coverproxy.cli.progress import progress
from coverproxy.config import Config, FeedConfig
from coverproxy.domain.counted import counted

if TYPE_CHECKING:
    from coverproxy.originals.feed_store import FeedFile
    from coverproxy.service.feed_run import FeedReport, FeedRun
    from coverproxy.wiring.data_folder import DataFolder

_SHOWN = 20


@click.group()
def feed() -> None:
    """Take in what publishers, wholesalers and other libraries send, again and again.

    Feeds stand in the config file, each as a table [[feed]]; config.example.toml shows one.
    """


@feed.command("list")
@options
def list_(config: Config, as_json: bool) -> None:
    """List the feeds of the config, and where each comes from."""
    told = [each.model_dump() for each in config.feed]
    lines = [
        f"{each.name}  {each.dir or each.url}\n    links from {', '.join(each.hosts) or 'no host'},"
        f" files that are done are {'moved' if each.done == 'move' else 'remembered'}"
        for each in config.feed
    ]
    tell(as_json, told, "\n".join(lines) or "There are no feeds in the config.")


@feed.command()
@options
@needs_data
@click.argument("name", required=False)
def status(config: Config, as_json: bool, name: str | None) -> None:
    """Say how far each feed's files are read: the last 20 of each."""
    from coverproxy.wiring.data_folder import open_shelf

    chosen = _named(config, (name,) if name else ())
    with faults_told(), open_shelf(config, to_write=False) as shelf:
        found = {each.name: shelf.catalogue.feeds.files(each.name, _SHOWN) for each in chosen}
    told = {feed: [asdict(each) for each in files] for feed, files in found.items()}
    lines = [line for feed, files in found.items() for line in (feed, *map(_line, files))]
    tell(as_json, told, "\n".join(lines) or "There are no feeds in the config.")


def _line(file: "FeedFile") -> str:
    when = datetime.fromtimestamp(file.started / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    state = "interrupted: run it again to go on" if file.ended is None else "read"
    if file.again:
        state = f"read, and again from {datetime.fromtimestamp(file.again, UTC):%Y-%m-%d %H:%M} on"
    note = f": {file.note}" if file.note else ""
    steps = counted(file.done, "step")
    return f"  {when}  {file.name}  {state}, {steps}, {file.added} added, {file.refused} refused{note}"


@feed.command()
@options
@click.argument("names", nargs=-1)
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for refusals, as JSON lines (default: in the data folder).",
)
def run(config: Config, as_json: bool, names: tuple[str, ...], report_file: Path | None) -> None:
    """Import the new files of the named feeds, or of all.

    Files that are read already are passed over; an interrupted one goes on where it was. Each line of the
    report names the sender's own file and line. Exit codes are those of coverproxy import.
    """
    from coverproxy.service.import_results import ImportReport

    refusals = Refusals(report_file or report_path(config))
    total = ImportReport()
    with faults_told(), ExitStack() as stack:
        stack.callback(refusals.close)
        for each in _named(config, names):
            found = _run(config, each, refusals, quiet=as_json)
            total = _sum(total, found.total)
            if total.interrupted:
                break
    tell_report(as_json, total, refusals.path if refusals.count else None)


def _named(config: Config, names: tuple[str, ...]) -> list[FeedConfig]:
    known = {each.name: each for each in config.feed}
    for name in names:
        if name not in known:
            expected = ", ".join(known) or "there is none in the config"
            raise click.BadParameter(f"{name!r} is not a feed; expected one of: {expected}")
    return [known[name] for name in names] if names else list(config.feed)


def _sum(one: Any, other: Any) -> Any:
    """Add two reports, name by name."""
    made = type(one)()
    for name in vars(one):
        mine, theirs = getattr(one, name), getattr(other, name)
        setattr(made, name, mine or theirs if isinstance(mine, bool) else mine + theirs)
    return made


def _run(config: Config, feed: FeedConfig, refusals: Refusals, *, quiet: bool) -> "FeedReport":
    from coverproxy.service.feed_run import FeedReport

    with opened_feed(config, feed, refusals, quiet=quiet) as (runs, folder, shelf):
        if feed.url:
            return _of_url(config, feed, runs, folder, shelf)
        if not folder.is_dir():
            raise click.ClickException(f"feed {feed.name}: there is no folder {folder}")
        waiting = list(runs.waiting(folder))
        return runs.run(folder, waiting) if waiting else FeedReport()


@contextmanager
def opened_feed(
    config: Config, feed: FeedConfig, refusals: Refusals, *, quiet: bool
) -> "Iterator[tuple[FeedRun, Path, DataFolder]]":
    """Open a feed for a command, with a bar."""
    from coverproxy.wiring.data_folder import open_shelf
    from coverproxy.wiring.feeds import open_feed

    with ExitStack() as stack:
        shelf = stack.enter_context(open_shelf(config))
        show = stack.enter_context(progress(feed.name, "step", quiet=quiet))
        totals: dict[str, int] = {}

        def on_batch(name: str, done: int) -> None:
            show(done, totals.setdefault(name, _expected(folder / name)))

        runs, folder = stack.enter_context(open_feed(config, feed, shelf, refusals.note, on_batch))
        yield runs, folder, shelf


def _expected(path: Path) -> int:
    from coverproxy.service.import_file import expected

    return expected(path) if path.is_file() else 0


def _of_url(
    config: Config, feed: FeedConfig, runs: "FeedRun", folder: Path, shelf: "DataFolder"
) -> "FeedReport":
    """Finish what an earlier run left, then fetch the file and read it; it is removed once it is read."""
    from coverproxy.service.feed_run import FeedReport
    from coverproxy.sources.links import LinkRefused
    from coverproxy.wiring.feeds import download

    left = list(runs.waiting(folder)) if folder.is_dir() else []
    try:
        path = None if left else download(config, feed, shelf)
    except LinkRefused as exc:
        raise click.ClickException(f"feed {feed.name}: {exc}") from None
    todo = left or ([path] if path else [])
    report = runs.run(folder, todo) if todo else FeedReport()
    for each in todo:
        if not report.total.interrupted and each not in set(runs.waiting(folder)):
            each.unlink(missing_ok=True)
    return report


@click.command()
@options
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--source", default="", help="Source of the files (default: the folder's name).")
@click.option("--move", is_flag=True, help="Move files that are done to FOLDER/done, or FOLDER/refused.")
@click.option("--poll", is_flag=True, help="Poll the folder: for network drives, which report no changes.")
@click.option(
    "--settle",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    help="Seconds that a file must not have changed for, to be complete.",
)
@click.option("--once", is_flag=True, help="End when nothing is left to do.")
def watch(
    config: Config, as_json: bool, folders: tuple[Path, ...], source: str, move: bool, poll: bool,
    settle: float, once: bool,
) -> None:  # fmt: skip
    """Take in what lands in FOLDER, within seconds, until Ctrl-C; without FOLDER, in the config's feeds.

    It runs beside the service, which shows what comes in at once. A file is taken in when it is complete:
    when it did not change for some seconds, and is not called .part or .tmp. Each is told by its content, as
    coverproxy import does. What was done is remembered, so a restart does nothing twice.
    """
    from coverproxy.cli.watching import watch_feeds

    feeds = [_feed_of(each, source, move=move) for each in folders] or [
        each for each in config.feed if each.dir
    ]
    if not feeds:
        raise click.UsageError("there is nothing to watch: name a FOLDER, or a feed with a dir in the config")
    refusals = Refusals(report_path(config))

    def say(told: dict[str, Any]) -> None:
        tell(as_json, told, _told(told))

    with faults_told(), ExitStack() as stack:
        stack.callback(refusals.close)
        watch_feeds(config, feeds, refusals, say, settle=settle, poll=poll, once=once)


def _feed_of(folder: Path, source: str, *, move: bool) -> FeedConfig:
    name = re.sub(r"[^a-z0-9_-]+", "-", (source or folder.resolve().name).lower()).strip("-_")[:32]
    name = name if name[:1].isalpha() else f"f-{name}"[:32]
    return FeedConfig(name=name, dir=str(folder.absolute()), done="move" if move else "remember")


def _told(told: dict[str, Any]) -> str:
    refused = f", {told['refused']} refused (see {told['report']})" if told["refused"] else ""
    return f"{told['feed']}: {told['file']}: {told['added']} added, {told['already']} in already{refused}"
