"""What all commands share: where the config is, and how a result is told to people and to programs."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click
import orjson

from coverproxy import config as configuration
from coverproxy.config import Config
from coverproxy.domain.errors import ConfigError, StoreUnavailable, Unavailable
from coverproxy.web import texts


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --config, --data and --json; it gets `config` and `as_json`.

    The context's `obj` reads the same config anew, and raises ConfigError where it has mistakes.
    """

    @click.option(
        "--config", "config_file", type=click.Path(path_type=Path), help="TOML file (default: none)."
    )
    @click.option("--data", metavar="DIR", help="Data folder (default: ./coverproxy-data).")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    @wraps(command)
    def with_config(config_file: Path | None, data: str | None, as_json: bool, **rest: Any) -> Any:
        overrides = {"data": {"dir": data}} if data else {}
        config = load(config_file, overrides)
        click.get_current_context().obj = lambda: read(config_file, overrides)
        return command(config=config, as_json=as_json, **rest)

    return with_config


def load(config_file: Path | None, overrides: dict[str, Any]) -> Config:
    """Read the config; its mistakes end the command with exit code 2."""
    with mistakes_told():
        return read(config_file, overrides)


@contextmanager
def mistakes_told() -> Iterator[None]:
    """Tell mistakes of the config, and end the command with exit code 2."""
    try:
        yield
    except ConfigError as exc:
        click.echo(str(exc), err=True)
        raise click.exceptions.Exit(2) from None


def read(config_file: Path | None, overrides: dict[str, Any]) -> Config:
    """Read the config and the texts that it names. Raises ConfigError."""
    config = configuration.load(config_file, os.environ, overrides)
    texts.load(config.site)
    return config


def with_secrets(config: Config) -> None:
    """See that the environment has what the sources name. Raises ConfigError that lists what it has not.

    Commands that ask no source do without: an import needs no secrets.
    """
    if mistakes := configuration.unset(config.source, os.environ):
        raise ConfigError("\n".join(mistakes))


def changed(config: Config, section: str, **values: Any) -> Config:
    """Return the config with those *values* of a section that are not None."""
    given = {name: value for name, value in values.items() if value is not None}
    part = getattr(config, section)
    return config.model_copy(update={section: type(part).model_validate(part.model_dump() | given)})


def tell(as_json: bool, value: Any, text: str) -> None:
    """Print a result: *value* as JSON on one line, or *text*."""
    click.echo(orjson.dumps(value).decode() if as_json else text)


def counted(number: int, thing: str, things: str = "") -> str:
    """Return "1 file", "2 files": a number with its word."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"


@contextmanager
def faults_told() -> Iterator[None]:
    """Turn what the machine refuses into one clear line and exit code 1."""
    try:
        yield
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename else ""
        raise click.ClickException(f"{where}{exc.strerror or exc}") from None
    except StoreUnavailable as exc:
        raise click.ClickException(f"the data folder's database: {exc}") from None
    except Unavailable as exc:
        raise click.ClickException(str(exc)) from None
