"""The init command: asks five questions, and writes a short config."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

from coverproxy import config as configuration
from coverproxy.cli.common import faults_told, load, mistakes_told, tell
from coverproxy.config import Config
from coverproxy.domain.errors import ConfigError
from coverproxy.storage import atomic

EVERYWHERE = "0.0.0.0"  # noqa: S104 - asked for: nothing else listens for other machines
PASSWORD_BYTES = 18

_COMMENTS = {
    ("data", "dir"): "All data: originals, catalogue, keys, counts and the cache.",
    ("front", "public_url"): "The address under which browsers reach the service.",
    ("server", "port"): "The port that the service listens on.",
    ("server", "host"): "No web server stands in front: other machines ask the service itself.",
    ("admin", "token"): "The password of /admin.",
}

_HEAD = """\
# The configuration of coverproxy, made by `coverproxy init`. What is not here keeps its default, also the
# better ones of later versions. All settings: config.example.toml
"""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=Path("config.toml"))
@click.option("--data", metavar="DIR", help="Data folder.")
@click.option("--public-url", metavar="URL", help="Public address, like https://covers.example.org.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--admin/--no-admin", default=None, help="Make a password for the admin pages.")
@click.option("--nginx/--no-nginx", default=None, help="Whether nginx on this machine stands in front.")
@click.option("--yes", is_flag=True, help="Ask nothing; values that are not given keep their defaults.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def init(
    file: Path, data: str | None, public_url: str | None, port: int | None, admin: bool | None,
    nginx: bool | None, yes: bool, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Ask five questions and write a short config to FILE (config.toml).

    An option answers its question. Only answers that differ from the defaults are written, so that later
    versions may improve the defaults. The file passes `coverproxy check-config`.
    """
    if file.exists() and not force:
        raise click.ClickException(f"{file} exists; --force replaces it")
    usual = Config()
    tree = _answers(_Questions(is_silent=yes), usual, data, public_url, port, admin, nginx)
    with mistakes_told():
        configuration.load(None, {}, tree)
    tree = _without(tree, usual)
    with faults_told():
        _place(file, _written(tree), is_secret="admin" in tree)
    load(file, {})  # as the service will
    told = {"file": str(file), "settings": sum(map(len, tree.values())), "admin": "admin" in tree}
    tell(as_json, told, "\n".join(_next(file, tree)))


def _answers(
    ask: "_Questions", usual: Config, data: str | None, public_url: str | None, port: int | None,
    admin: bool | None, nginx: bool | None,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Ask what no option answers; return the settings."""
    tree: dict[str, dict[str, Any]] = {
        "data": {"dir": ask.value("Data folder", data, usual.data.dir, _checked("data", "dir"))},
        "front": {
            "public_url": ask.value(
                "Public address, like https://covers.example.org (empty: not yet)",
                public_url, "", _checked("front", "public_url"),
            )
        },
        "server": {"port": ask.value("Port", port, usual.server.port, _checked("server", "port", int))},
    }  # fmt: skip
    if ask.choice("Make a password for the admin pages?", admin, False):
        tree["admin"] = {"token": secrets.token_urlsafe(PASSWORD_BYTES)}
    if not ask.choice("Does nginx on this machine stand in front?", nginx, True):
        tree["server"]["host"] = EVERYWHERE
    return tree


class _Questions:
    """Asks what no option has answered. `is_silent`: takes the defaults instead."""

    def __init__(self, *, is_silent: bool) -> None:
        self._is_silent = is_silent

    def value(self, question: str, given: Any, usual: Any, check: Callable[[str], Any]) -> Any:
        """Return a checked value; a wrong answer is asked again, a wrong option ends the command."""
        if given is not None:
            return check(given)
        if self._is_silent:
            return usual
        return click.prompt(question, default=usual, value_proc=check, err=True, show_default=usual != "")

    def choice(self, question: str, given: bool | None, usual: bool) -> bool:
        """Return yes or no."""
        if given is not None or self._is_silent:
            return usual if given is None else given
        return click.confirm(question, default=usual, err=True)


def _checked(section: str, name: str, kind: type = str) -> Callable[[str], Any]:
    """Return a function that reads and checks one setting as the config does."""

    def check(text: str) -> Any:
        try:
            loaded = configuration.load(None, {}, {section: {name: kind(text)}})
        except (ConfigError, ValueError) as exc:
            raise click.UsageError(str(exc)) from None
        return getattr(getattr(loaded, section), name)

    return check


def _without(tree: dict[str, dict[str, Any]], usual: Config) -> dict[str, dict[str, Any]]:
    """Return the settings that differ from the defaults."""
    rest = {
        section: {
            name: value for name, value in values.items() if value != getattr(getattr(usual, section), name)
        }
        for section, values in tree.items()
    }
    return {section: values for section, values in rest.items() if values}


def _written(tree: dict[str, dict[str, Any]]) -> str:
    """Return the settings as TOML: JSON's texts and numbers are TOML's too."""
    lines = [_HEAD.rstrip()]
    for section, values in tree.items():
        lines += ["", f"[{section}]"]
        for name, value in values.items():
            lines += [f"# {_COMMENTS[section, name]}", f"{name} = {orjson.dumps(value).decode()}"]
    return "\n".join(lines) + "\n"


def _place(file: Path, text: str, *, is_secret: bool) -> None:
    """Write the file whole or not at all; with a password, for its owner alone. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_secret else 0o644)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        atomic.move(beside, file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _next(file: Path, tree: dict[str, dict[str, Any]]) -> list[str]:
    """Say what was written, and what comes next."""
    lines = [f"Wrote {file}."]
    if "admin" in tree:
        lines.append("The admin password is in it. Only you can read it: let the service's user do so too.")
    lines += ["Next:", f"  coverproxy import FOLDER --config {file}"]
    lines.append(f'  coverproxy key create --label "Our catalogue" --config {file}')
    lines.append(f"  coverproxy serve --config {file}")
    if "host" not in tree.get("server", {}):
        lines.append(f"  coverproxy nginx-conf --config {file}")
    return lines
