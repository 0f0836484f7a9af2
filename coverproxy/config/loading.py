"""Reading a config: defaults, then the TOML file, then the environment; all mistakes told at once."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from coverproxy.config.tree import Config, merged
from coverproxy.domain.errors import ConfigError

PREFIX = "COVERPROXY_"


def load(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Config:
    """Read the config: defaults, then the TOML file, then `COVERPROXY_SECTION__KEY`, then *overrides*.

    Raises ConfigError that lists every mistake with its TOML path, the value found and what was expected.
    """
    tree = _read(path) if path else {}
    tree = merged(tree, _from_environment(environ))
    tree = merged(tree, dict(overrides or {}))
    try:
        return Config.model_validate(tree)
    except ValidationError as exc:
        where = f"{path}: " if path else ""
        raise ConfigError("\n".join(f"{where}{line}" for line in _mistakes(exc))) from exc


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: is not TOML: {exc}") from exc


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Turn `COVERPROXY_SIZES__SMALL__JPEG__QUALITY=80` into a tree; names without `__` are not config."""
    tree: dict[str, Any] = {}
    for name, raw in sorted(environ.items()):
        path = name.removeprefix(PREFIX).lower().split("__")
        if not name.startswith(PREFIX) or len(path) < 2:
            continue
        branch: dict[str, Any] = {path[-1]: _value(raw)}
        for part in reversed(path[:-1]):
            branch = {part: branch}
        tree = merged(tree, branch)
    return tree


def _value(raw: str) -> Any:
    """Read a value as TOML would (8080, true, ["a"]); anything that is not TOML is the text itself."""
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw


def _mistakes(exc: ValidationError) -> list[str]:
    """Say each mistake in one line: path, what was expected, what was found."""
    lines = []
    for error in exc.errors():
        path = _path(error["loc"])
        if error["type"] == "extra_forbidden":
            lines.append(f"{path}: no such key")
            continue
        message = error["msg"].removeprefix("Value error, ")
        found = "" if isinstance(error["input"], dict | list) else f", found {error['input']!r}"
        lines.append(f"{path}: {message[0].lower()}{message[1:]}{found}")
    return lines


def _path(places: tuple[int | str, ...]) -> str:
    """Name a key as in TOML; a source's kind, or which of two types is meant, is no part of its path."""
    if places[0] == "source":
        places = (*places[:2], *places[3:4])
    return ".".join(str(part) for part in places if part != "[key]")
