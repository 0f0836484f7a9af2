"""Commands of the database: what one engine keeps is copied into another."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from coverproxy.cli.common import faults_told, options, tell
from coverproxy.cli.progress import progress
from coverproxy.config import Config
from coverproxy.domain.counted import counted
from coverproxy.domain.errors import ConfigError

if TYPE_CHECKING:
    from coverproxy.service.store_copy import CopyResult
    from coverproxy.storage.postgres_tables import PostgresTables
    from coverproxy.storage.sqlite_tables import SqliteTables

Engine = Literal["sqlite", "postgres"]
_ENGINES = click.Choice(["sqlite", "postgres"])


@click.group()
def store() -> None:
    """Move keys, counts and the catalogue between SQLite and PostgreSQL."""


@store.command(name="copy")
@options
@click.option("--from", "source", type=_ENGINES, required=True, help="Where everything is now.")
@click.option(
    "--to", "target", type=_ENGINES, required=True, help="Where to copy it: empty, or an unfinished copy."
)
@click.option("--url", help="The PostgreSQL database (default: the config's store.url).")
def copy_command(config: Config, as_json: bool, source: Engine, target: Engine, url: str | None) -> None:
    """Copy all that the databases keep from SQLite to PostgreSQL, or back.

    Stop the service first. A copy that was interrupted goes on where it was when the same command is run
    again. At the end both are read through and compared. Originals and the cache stay where they are. What is
    copied from is not changed.
    """
    if source == target:
        raise click.UsageError("--from and --to are the same")
    where = url or config.store.url
    if not where:
        raise click.UsageError("no PostgreSQL is named: give --url, or set store.url in the config")
    with faults_told(), _both(config, where) as (files, database):
        result = _copied(Path(config.data.dir), files, database, source, where, as_json)
    text = f"{counted(sum(result.rows.values()), 'row')} of {counted(len(result.rows), 'table')} copied"
    tell(as_json, asdict(result), f"{text}, and the same in both" if not result.differing else text)
    if result.differing:
        told = "; ".join(f"{name}: {how}" for name, how in result.differing.items())
        raise click.ClickException(f"not the same afterwards: {told}")


def _copied(
    data: Path, files: "SqliteTables", database: "PostgresTables", source: Engine, url: str, as_json: bool
) -> "CopyResult":
    from coverproxy.service.store_copy import Progress, copy
    from coverproxy.storage.postgres_pool import place

    note = Progress(data / "store-copy.json", f"{source}, {place(url)}")
    with progress("copying", "row", quiet=as_json) as show:
        if source == "sqlite":
            return copy(files, database, note, show)
        return copy(database, files, note, show)


@contextmanager
def _both(config: Config, url: str) -> Iterator[tuple["SqliteTables", "PostgresTables"]]:
    """Open both, brought to their present schema."""
    from coverproxy.storage.sqlite_tables import SqliteTables
    from coverproxy.wiring.stores import sqlite_files

    try:
        from coverproxy.wiring.postgres import opened_database
    except ImportError as exc:
        raise ConfigError(f"this needs a library: pip install 'coverproxy[postgres]' ({exc})") from exc
    files = SqliteTables(sqlite_files(config))
    try:
        with opened_database(url) as database:
            yield files, database
    finally:
        files.close()
