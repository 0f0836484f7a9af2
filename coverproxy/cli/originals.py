"""Commands about originals: quarantined, corrupt, release, sweep, and those of `curate`."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli import curate
from coverproxy.cli.common import faults_told, needs_data, options, tell
from coverproxy.cli.progress import progress
from coverproxy.config import Config
from coverproxy.domain import schemes
from coverproxy.domain.counted import counted
from coverproxy.domain.errors import NotAnIdentifier
from coverproxy.domain.moment import iso
from coverproxy.domain.original import DIGEST_BYTES, Quarantined

if TYPE_CHECKING:
    from coverproxy.wiring.data_folder import DataFolder


@click.group()
def originals() -> None:
    """List, choose, hide, restore and remove the originals of a book; release quarantined ones; sweep.

    An original that crashes or hangs its decoder is quarantined. The decoder's process is replaced, and the
    original's books show their next best original, or none.
    """


for _command in curate.COMMANDS:
    originals.add_command(_command)
originals.add_command(curate.pin, "prefer")


@originals.command()
@options
@needs_data
def quarantined(config: Config, as_json: bool) -> None:
    """List quarantined originals: digest, books, file, reason, and since when.

    Please report such a file to the maintainers of libvips, or of the decoder named in the reason.
    """
    from coverproxy.wiring.data_folder import open_shelf

    with faults_told(), open_shelf(config, to_write=False) as shelf:
        told = [_as_json(shelf, each) for each in shelf.catalogue.quarantined()]
    tell(as_json, told, "\n\n".join(map(_text, told)) if told else "Nothing is quarantined.")


@originals.command()
@options
@click.option(
    "--days", type=click.FloatRange(0, 3650),
    help="How long they stay below removed/ (default: store.removed_originals_days, or 7).",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Change nothing; count what would be done.")
def sweep(config: Config, as_json: bool, days: float | None, dry_run: bool) -> None:
    """Sweep originals that no item has any more out of the object store.

    They are moved below removed/ first, and deleted by a later sweep, once they were there for --days. One
    that an item has again is brought back. What came within a day stays. It may be interrupted and goes on
    where it was; one process of all nodes sweeps at a time. The service does it once a day if
    store.removed_originals_days is set.
    """
    from coverproxy.service.sweep_originals import FOLDERS, OriginalSweep, SweptOriginals, TurnTaken
    from coverproxy.wiring.data_folder import open_shelf

    seconds = 86_400 * (config.store.removed_originals_days or 7.0 if days is None else days)
    done = SweptOriginals()
    with faults_told(), open_shelf(config, to_write=not dry_run) as shelf:
        if shelf.objects is None:
            raise click.ClickException("no object store is named (store.objects): there is nothing to sweep")
        try:
            with progress("sweeping", "folder", quiet=as_json) as show:
                for done in OriginalSweep(shelf.catalogue, shelf.objects, seconds, acts=not dry_run).steps():
                    show(done.folders, len(FOLDERS))
        except TurnTaken as exc:
            raise click.ClickException(str(exc)) from None
    would = "would be " if dry_run else ""
    text = (
        f"{counted(done.seen, 'original')} looked at: {done.moved} {would}moved below removed/,"
        f" {done.brought_back} {would}brought back, {done.deleted} {would}deleted"
    )
    tell(as_json, asdict(done), text)


@originals.command()
@options
@click.option("--most", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="How many.")
@needs_data
def corrupt(config: Config, as_json: bool, most: int) -> None:
    """List originals that cannot be shown: damaged, deleted, or too slow to render; latest first.

    Their books show their next best original, or none. To put one right, import a sound file.
    """
    from coverproxy.service.book_json import original_as_json
    from coverproxy.wiring.data_folder import open_shelf

    with faults_told(), open_shelf(config, to_write=False) as shelf:
        found = shelf.catalogue.corrupt(most)
        files = [str(shelf.files.path(each)) for each in found]
    told: list[dict[str, Any]] = [
        {**original_as_json(each, is_shown=False), "file": file}
        for each, file in zip(found, files, strict=True)
    ]
    lines = [f"{each['of']}  {each['digest'][:8]}  {each['fault']}\n    {each['file']}" for each in told]
    tell(as_json, told, "\n".join(lines) or "No original is known to be corrupt.")


def _as_json(shelf: "DataFolder", each: Quarantined) -> dict[str, Any]:
    return {
        "digest": each.digest.hex(),
        "isbns": [original.identifier.listed for original in each.originals],
        "files": [str(shelf.files.path(original)) for original in each.originals],
        "reason": each.reason,
        "at": iso(each.at),
    }


def _text(told: dict[str, Any]) -> str:
    lines = [f"{told['digest']}  {told['at']}  {told['reason']}"]
    lines += [f"  {isbn}  {file}" for isbn, file in zip(told["isbns"], told["files"], strict=True)]
    return "\n".join(lines)


@originals.command()
@options
@click.argument("what", metavar="DIGEST|ID")
@needs_data
def release(config: Config, as_json: bool, what: str) -> None:
    """Let a quarantined original be decoded again, by its digest or the ID of its book.

    For example after an update of libvips. Originals that were too slow (render.time_limit_seconds) are
    released the same way. If it crashes or hangs again, it is quarantined again.
    """
    from coverproxy.originals.changes import release as release_bytes
    from coverproxy.wiring.data_folder import open_shelf

    with faults_told(), open_shelf(config) as shelf:
        digests, now = _digests(shelf, what), int(time.time())
        freed = [each for digest in digests for each in release_bytes(shelf.catalogue, digest, now)]
        shelf.invalidator.drop_stale()
    if not digests:
        raise click.ClickException(f"{what!r} is not quarantined; see coverproxy originals quarantined")
    books = [each.identifier.listed for each in freed]
    told = {"digests": [digest.hex() for digest in digests], "isbns": books}
    tell(as_json, told, "\n".join(f"{digest.hex()} is released" for digest in digests))


def _digests(shelf: "DataFolder", what: str) -> list[bytes]:
    """Return the digests of the named quarantined originals."""
    if len(what) == 2 * DIGEST_BYTES and set(what.lower()) <= set("0123456789abcdef"):
        digest = bytes.fromhex(what)
        held = any(each.is_held for each in shelf.catalogue.with_digest(digest, most=1000))
        return [digest] if held or shelf.catalogue.quarantined_for(digest) else []
    try:
        named = schemes.read(what).identifiers
    except NotAnIdentifier as exc:
        raise click.ClickException(
            f"{what!r} is neither a digest (32 hex digits) nor an identifier: {exc.why}"
        ) from None
    found = (each for one in named for each in shelf.catalogue.of_item(one))
    return list(dict.fromkeys(each.digest for each in found if each.is_held))
