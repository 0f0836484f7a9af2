"""Commands about the cache as a whole: cache stats, verify, sweep, evict."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli.common import faults_told, needs_data, options, tell
from coverproxy.cli.progress import progress
from coverproxy.config import Config
from coverproxy.config.base import byte_count
from coverproxy.domain.counted import counted

if TYPE_CHECKING:
    from coverproxy.cache.stats import CacheStats
    from coverproxy.cache.verify import VerifyFinding
    from coverproxy.cache.walk import WalkedFile
    from coverproxy.wiring.data_folder import DataFolder


class ByteCount(click.ParamType[int]):
    """A number of bytes, or a size with a unit as in the config."""

    name = "bytes"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """See click.ParamType."""
        if isinstance(value, int):
            return value
        try:
            return int(value) if str(value).isdecimal() else int(byte_count(value))
        except ValueError as exc:
            return self.fail(f"{value!r}: {exc}", param, ctx)


@click.group()
def cache() -> None:
    """Manage the derivatives on disk.

    \b
    coverproxy cache stats              what it contains, and how much space is left
    coverproxy cache verify             find and remove damaged files
    coverproxy cache sweep              remove leftovers
    coverproxy cache evict              free space now, as the running service does by itself

    All of them are safe beside a running service. Covers that they remove are made again on request;
    originals are never touched.
    """


@contextmanager
def _opened(config: Config) -> "Iterator[tuple[DataFolder, int]]":
    """Open the cache alone; yields the data folder, and how many files of dead writers were removed."""
    from coverproxy.wiring.data_folder import DataFolder

    with faults_told():
        shelf = DataFolder(config)
        try:
            swept = shelf.cache.open()
            _take_over(shelf)
            yield shelf, swept
        finally:
            shelf.close()


def _take_over(shelf: "DataFolder") -> None:
    """Adopt a cache of the former layout first, so that all of it is counted; or wait for the process that
    does.
    """
    from coverproxy.cache.janitor import alone, take_over
    from coverproxy.cache.walk import WalkPace

    if shelf.cache.former.is_there:
        with alone(shelf.layout, wait=True):
            take_over(shelf.cache.former, WalkPace(threading.Event()))


@cache.command()
@options
@needs_data
def stats(config: Config, as_json: bool) -> None:
    """Show how many covers the cache holds, by size and format, and how much space is left.

    "Old" covers were made with settings that have changed since: each is served until it is requested and
    made again. The days are the last use of the least and of the most recently used cover. Bytes are those on
    disk, in whole blocks. Reads every file's entry: a minute for some million files.
    """
    from coverproxy.cache.stats import take_stock

    with _opened(config) as (shelf, _):
        last_use = shelf.evictor().last_use
        stock = take_stock(shelf.layout, last_use)
        room = {"estimate_bytes": shelf.room.held(), "free_bytes": shelf.room.free().bytes}
    bounds = {"max_bytes": config.cache.max_bytes, "min_free_bytes": config.cache.min_free_bytes}
    told = {**_counted(stock), **room, **bounds, "last_use_by": last_use.value}
    tell(as_json, told, _stats_text(told))


def _counted(stock: "CacheStats") -> dict[str, Any]:
    kinds = [{**asdict(kind), **asdict(part)} for kind, part in sorted(stock.parts.items())]
    return {
        **asdict(stock.total()),
        "old_revisions": asdict(stock.total(is_live=False)),
        "kinds": kinds,
        "oldest_use": _date(stock.oldest_day),
        "newest_use": _date(stock.newest_day),
    }


def _date(day: int | None) -> str | None:
    return None if day is None else datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()


def _stats_text(told: dict[str, Any]) -> str:
    lines = [f"{counted(told['files'], 'cover')}, {_size(told['bytes'])}"]
    lines += [
        f"  {kind['files']:9}  {_size(kind['bytes']):>10}  {kind['size']} {kind['format']}"
        + ("" if kind["is_live"] else f" (old settings {kind['revision']})")
        for kind in told["kinds"]
    ]
    old, least = told["old_revisions"], told["min_free_bytes"]
    lines += [
        f"with old settings: {counted(old['files'], 'cover')}, {_size(old['bytes'])}",
        f"last used: {told['oldest_use'] or '-'} to {told['newest_use'] or '-'} (by {told['last_use_by']})",
        f"in use, including folders: about {_size(told['estimate_bytes'])} of {_size(told['max_bytes'])}",
        f"free on the disk: {_size(told['free_bytes'])}, of which {_size(least)} must stay",
    ]
    return "\n".join(lines)


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return counted(round(count), "byte") if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


@cache.command()
@options
@needs_data
def verify(config: Config, as_json: bool) -> None:
    """Read every cover in the cache, and remove damaged ones: they are made again on request.

    Damaged files are empty, truncated, or not a picture by their header; a machine crash leaves such files.
    They are listed. A sound cover that lacks its name by ISBN-10 gets it back.

    The exit code is 1 if anything was damaged. Reading does not count as a use of a cover.
    """
    from coverproxy.cache.verify import Verifier, VerifyFinding

    damaged: list[str] = []
    with _opened(config) as (shelf, _), _noting(shelf, damaged, as_json) as note:
        findings = Verifier(shelf.layout, shelf.room).run(note)
    told = {
        "files": findings.total(), "damaged": findings[VerifyFinding.DAMAGED],
        "mended": findings[VerifyFinding.MENDED], "paths": damaged,
    }  # fmt: skip
    covers = counted(findings.total(), "cover")
    text = f"{covers}: {told['damaged']} damaged and removed, {told['mended']} repaired"
    tell(as_json, told, text)
    if damaged:
        raise click.exceptions.Exit(1)


@contextmanager
def _noting(
    shelf: "DataFolder", damaged: list[str], as_json: bool
) -> "Iterator[Callable[[WalkedFile, VerifyFinding], None]]":
    """Show progress, and list damaged files."""
    from coverproxy.cache.verify import VerifyFinding
    from coverproxy.cache.walk import derivatives, shards

    total = 0 if as_json else sum(1 for shard in shards(shelf.layout) for _ in derivatives(shard))
    done = 0
    with progress("verifying", "cover", quiet=as_json) as show:

        def note(held: "WalkedFile", finding: "VerifyFinding") -> None:
            nonlocal done
            done += 1
            if finding is VerifyFinding.DAMAGED:
                damaged.append(held.path)
                if not as_json:
                    click.echo(f"damaged: {held.path}")
            show(done, max(total, done))

        yield note


@cache.command()
@options
@click.option(
    "--old-revisions", is_flag=True, help="Also remove covers made with settings that have changed."
)
@needs_data
def sweep(config: Config, as_json: bool, old_revisions: bool) -> None:
    """Remove leftovers: temporary files of dead processes, and lone second names.

    A lone second name is a cover under its ISBN-10 whose ISBN-13 is gone. --old-revisions also removes covers
    made with settings that have changed since. Otherwise they stay, and are served, until space is needed or
    they are made again.
    """
    from coverproxy.cache.sweep import sweep as sweep_cache

    with _opened(config) as (shelf, temporary):
        swept = sweep_cache(shelf.layout, shelf.room, old_revisions=old_revisions)
    told = {"temporary": temporary, **asdict(swept)}
    text = (
        f"removed: {counted(temporary, 'temporary file')}, {counted(swept.lone, 'lone name')},"
        f" {counted(swept.old, 'old cover')}; {_size(swept.bytes)} freed"
    )
    tell(as_json, told, text)


@cache.command()
@options
@click.option(
    "--max-bytes",
    type=ByteCount(),
    metavar="BYTES|20GB",
    help="Evict down to this size (default: as configured).",
)
@needs_data
def evict(config: Config, as_json: bool, max_bytes: int | None) -> None:
    """Free space now: remove covers until the cache is within its bounds, least recently used first.

    The running service does this by itself whenever the cache is nearly full. Of covers last used on the same
    day, those with old settings go first. Nothing is removed while there is space. Waits while the service is
    evicting.
    """
    from coverproxy.cache.janitor import alone

    with _opened(config) as (shelf, _), alone(shelf.layout, wait=True):
        bounds = shelf.room.bounds
        if max_bytes is not None:
            bounds = replace(bounds, max_bytes=max_bytes)
        outcome = shelf.evictor().run(threading.Event(), bounds)
        held = shelf.room.held()
    told = {"files": outcome.files, "bytes": outcome.bytes, "held_bytes": held, "max_bytes": bounds.max_bytes}
    evicted = counted(outcome.files, "cover")
    text = f"{evicted} evicted, {_size(outcome.bytes)} freed; the cache now takes {_size(held)}"
    tell(as_json, told, text)
