"""Commands for backups: backup, restore."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coverproxy.cli.common import faults_told, needs_data, options, tell
from coverproxy.cli.progress import progress
from coverproxy.config import Config
from coverproxy.domain.counted import counted

if TYPE_CHECKING:
    from coverproxy.service.backup import Copied

_NOT_SAVED = "\nNot saved: the cache, which is made again, and sources.db: what sources lack is asked again."


@click.command()
@options
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@needs_data
def backup(config: Config, as_json: bool, folder: Path) -> None:
    """Save the databases and the originals to FOLDER, while the service may be running.

    Each database is copied as of one moment. Originals that FOLDER already has are skipped, so a second
    backup to the same place is quick. The cache is not saved: it can be made again. Save config.toml
    yourself. Originals imported by reference are not saved, nor is sources.db: what sources lack is asked
    again.
    """
    if config.store.is_shared:
        raise click.ClickException(
            "the databases are in PostgreSQL: save them by pg_dump, originals as files"
        )
    with faults_told():
        _tell(_copied(Path(config.data.dir), folder, as_json), "saved", as_json, _NOT_SAVED)


@click.command()
@options
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def restore(config: Config, as_json: bool, folder: Path) -> None:
    """Restore what `coverproxy backup` saved in FOLDER, into a data folder without databases.

    Stop the service first. Restored files belong to the data folder's owner. Databases that are damaged, or
    of a newer version, are refused before anything is written.
    """
    from coverproxy.doctor.checks.records import damaged
    from coverproxy.service.backup import DATABASES

    data = Path(config.data.dir)
    if there := [name for name in DATABASES if (data / name).exists()]:
        raise click.ClickException(
            f"{data.absolute()} has {' and '.join(there)} already: move them away, with their companion files"
            " (-wal, -shm), or restore into another folder"
        )
    if not any((folder / name).exists() for name in DATABASES):
        raise click.ClickException(f"{folder}: it contains neither {' nor '.join(DATABASES)}")
    if why := damaged(folder):
        raise click.ClickException(f"{why}; nothing was restored")
    with faults_told():
        _tell(_copied(folder, data, as_json), "restored", as_json)


def _copied(source: Path, target: Path, as_json: bool) -> "Copied":
    from coverproxy.service.backup import copy, count

    with progress("copying", "original", quiet=as_json) as show:
        total = 0 if as_json else count(source)
        return copy(source, target, lambda copied: show(copied.originals + copied.there, total))


def _tell(copied: "Copied", what: str, as_json: bool, more: str = "") -> None:
    text = (
        f"{counted(copied.databases, 'database')} and {counted(copied.originals, 'original')} {what}"
        f" ({copied.bytes / 1e6:.1f} MB), {counted(copied.there, 'original')} already there{more}"
    )
    tell(as_json, asdict(copied), text)
