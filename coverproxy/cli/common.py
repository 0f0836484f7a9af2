"""Shared by all commands: finding the config, and printing results for people and programs."""

import difflib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import IO, Any

import click
import orjson

from coverproxy import config as configuration
from coverproxy.config import Config
from coverproxy.domain.errors import ConfigError, StoreUnavailable, Unavailable
from coverproxy.storage.ownership import described, user_name
from coverproxy.web import texts

CONFIG_VARIABLE = "COVERPROXY_CONFIG"
PRINTING = ("check-config", "nginx-conf", "systemd-unit")
"""Commands that only print what a config says: the owner of the data folder does not matter to them."""

SYSTEM_CONFIG = Path("/etc/coverproxy/config.toml")

CONFIG_HELP = f"TOML file (default: ${CONFIG_VARIABLE}, else {SYSTEM_CONFIG} if it exists)."
DATA_HELP = "Data folder (default: the config's data.dir, ./coverproxy-data)."


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --config, --data and --json to a command; it gets `config` and `as_json`.

    The context's `obj` loads the same config again, and raises ConfigError if it has mistakes.
    """

    @click.option("--config", "config_file", type=click.Path(path_type=Path), help=CONFIG_HELP)
    @click.option("--data", metavar="DIR", help=DATA_HELP)
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    @wraps(command)
    def with_config(config_file: Path | None, data: str | None, as_json: bool, **rest: Any) -> Any:
        config_file = click.get_current_context().params["config_file"] = found_config(config_file)
        overrides = {"data": {"dir": data}} if data else {}
        config = load(config_file, overrides)
        click.get_current_context().obj = lambda: read(config_file, overrides)
        if click.get_current_context().info_name not in PRINTING:
            note_owner(Path(config.data.dir))
        return command(config=config, as_json=as_json, **rest)

    return with_config


def found_config(given: Path | None) -> Path | None:
    """Return the config file: the one given, COVERPROXY_CONFIG's, or the one in /etc if it exists."""
    if given is not None:
        return given
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named).expanduser()
    return SYSTEM_CONFIG if SYSTEM_CONFIG.is_file() else None


def note_owner(data: Path) -> None:
    """Note on standard error, in one line, that the data folder belongs to another user."""
    try:
        owner = data.stat().st_uid
    except OSError:
        return
    if owner == os.geteuid():
        return
    then = (
        f"files that it makes will belong to {user_name(owner)}"
        if os.geteuid() == 0
        else "some files may not be readable or writable"
    )
    click.echo(
        f"Note: {data.absolute()} belongs to {user_name(owner)}, but this command runs as"
        f" {user_name(os.geteuid())}: {then}",
        err=True,
    )


def needs_data(command: Callable[..., Any]) -> Callable[..., Any]:
    """End a command that needs the data folder if there is none, instead of making an empty one."""

    @wraps(command)
    def looked(config: Config, **rest: Any) -> Any:
        data = Path(config.data.dir)
        has_data = config.store.is_shared or is_data_folder(data)
        if not has_data and not data.is_file():  # a file in its place is reported later
            raise click.ClickException(f"there is no data folder at {data.absolute()}{_elsewhere(data)}")
        return command(config=config, **rest)

    return looked


def is_data_folder(path: Path) -> bool:
    """Return whether a folder holds the service's data."""
    return any((path / name).exists() for name in ("catalogue.db", "state.db", "originals", "cache"))


def _elsewhere(missing: Path) -> str:
    """Suggest a data folder: one with a similar name beside it, or at a usual place."""
    try:
        beside = [each for each in missing.absolute().parent.iterdir() if is_data_folder(each)]
    except OSError:
        beside = []
    close = difflib.get_close_matches(missing.name, [each.name for each in beside], n=1, cutoff=0.6)
    usual = [Path("/var/lib/coverproxy"), Path("coverproxy-data").absolute()]
    found = [*(missing.absolute().parent / name for name in close), *filter(is_data_folder, usual)]
    return f"; did you mean {found[0]}?" if found else "; name it with --data, --config or COVERPROXY_CONFIG"


def load(config_file: Path | None, overrides: dict[str, Any]) -> Config:
    """Load the config; mistakes end the command with exit code 2."""
    with mistakes_told():
        return read(config_file, overrides)


class Mistakes(click.ClickException):
    """Mistakes of the config, one a line; each names its file, so nothing stands before them."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print them to standard error."""
        click.echo(self.message, file=file, err=True)


@contextmanager
def mistakes_told() -> Iterator[None]:
    """Print mistakes of the config, and end the command with exit code 2."""
    try:
        yield
    except ConfigError as exc:
        raise Mistakes(str(exc)) from None


def read(config_file: Path | None, overrides: dict[str, Any]) -> Config:
    """Load the config and its texts. Raises ConfigError."""
    return configuration.load(config_file, os.environ, overrides, texts.load_all)


def with_secrets(config: Config) -> None:
    """Check that the environment has all variables that sources, object store and mail server name.

    Raises ConfigError listing missing ones.
    Commands that ask no source do without: an import needs no secrets.
    """
    options = config.store.objects_options if config.store.objects else {}
    mistakes = configuration.unset(config.source, os.environ)
    mistakes += configuration.unset_options("store.objects_options", options, os.environ)
    mistakes += configuration.unset_options("notices", {"smtp": config.notices.smtp}, os.environ)
    if mistakes:
        context = click.get_current_context(silent=True)
        file = context.params.get("config_file") if context else None
        raise ConfigError("\n".join(f"{file}: {line}" if file else line for line in mistakes))


def changed(config: Config, section: str, **values: Any) -> Config:
    """Return the config with those *values* of a section that are not None."""
    given = {name: value for name, value in values.items() if value is not None}
    part = getattr(config, section)
    return config.model_copy(update={section: type(part).model_validate(part.model_dump() | given)})


def tell(as_json: bool, value: Any, text: str) -> None:
    """Print a result: *value* as JSON on one line, or *text*."""
    click.echo(orjson.dumps(value).decode() if as_json else text)


@contextmanager
def faults_told() -> Iterator[None]:
    """Turn errors of the machine into one clear line and exit code 1."""
    try:
        yield
    except OSError as exc:
        raise click.ClickException(described(exc)) from None
    except StoreUnavailable as exc:
        line = f"the data folder's database: {exc}; for details: coverproxy doctor"
        raise click.ClickException(line) from None
    except Unavailable as exc:
        raise click.ClickException(str(exc)) from None
