"""Loads a config: defaults, then the TOML file, then the environment. Reports all mistakes at once."""

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from coverproxy.config.base import Section
from coverproxy.config.pages import Site
from coverproxy.config.sizes import Size
from coverproxy.config.tree import Config, merged
from coverproxy.domain.errors import ConfigError

PREFIX = "COVERPROXY_"

_SECRET = re.compile("token|password|secret|headers|options|authorization|credential", re.IGNORECASE)
"""Keys whose values are not shown, nor those of the keys below them."""

_USER = re.compile(r"(?<=//)[^/@\s'\"]*@")
_QUERY = re.compile(r"(?<=\?)[^\s'\"]+")
"""The parts of a URL, with its user and password, that can be secret."""

HIDDEN = "(set, and not shown)"
"""Shown in place of a secret in the effective config."""


def load(
    path: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    further: Callable[[Site], object] = lambda site: None,
) -> Config:
    """Load the config: defaults, then the TOML file, then `COVERPROXY_SECTION__KEY`, then *overrides*.

    *further* checks the site's language and texts, and raises ConfigError with its own mistakes.
    Raises ConfigError listing every mistake: its place (the file, or the variable), its TOML path, the value
    found, and what was expected.
    """
    tree = _read(path) if path else {}
    variables = _variables(environ)
    for places, (_, value) in variables.items():
        branch: dict[str, Any] = {places[-1]: value}
        for part in reversed(places[:-1]):
            branch = {part: branch}
        tree = merged(tree, branch)
    tree = merged(tree, dict(overrides or {}))
    mistakes: list[str] = []
    names = {places: name for places, (name, _) in variables.items()}
    config = None
    try:
        config = Config.model_validate(tree)
    except ValidationError as exc:
        mistakes += _mistakes(exc, names, f"{path}: " if path else "")
    mistakes += _of_texts(config.site if config else _language(tree), further, f"{path}: " if path else "")
    if mistakes or config is None:
        raise ConfigError("\n".join(mistakes))
    return config


def without_secrets(value: Any, places: tuple[int | str, ...] = ()) -> Any:
    """Return a config as JSON with HIDDEN in place of its secrets. `{env:NAME}` stays: it is only a name."""
    if isinstance(value, dict):
        return {key: without_secrets(each, (*places, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [without_secrets(each, places) for each in value]
    if not isinstance(value, str) or "{env:" in value:
        return value
    return HIDDEN if value and _is_secret(places) else _USER.sub("…@", value)


def _language(tree: Mapping[str, Any]) -> Site | None:
    """Return the site table of a config with other mistakes, so that errors in its texts are reported as
    well.
    """
    site = tree.get("site", {})
    try:
        return Site.model_validate({key: site[key] for key in ("language", "texts") if key in site})
    except (ValidationError, TypeError):
        return None


def _of_texts(site: Site | None, further: Callable[[Site], object], where: str) -> list[str]:
    if site is None:
        return []
    try:
        further(site)
    except ConfigError as exc:
        return [f"{where}{line}" for line in str(exc).splitlines()]
    return []


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows' editors write a BOM
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    except RecursionError:
        raise ConfigError(f"{path}: is not TOML: nested too deep") from None
    except ValueError as exc:  # not TOML, not UTF-8, or a number with too many digits
        raise ConfigError(f"{path}: is not TOML: {exc}") from exc


def _variables(environ: Mapping[str, str]) -> dict[tuple[str, ...], tuple[str, Any]]:
    """Return each variable's name and value by its place in the tree.

    `COVERPROXY_SIZES__SMALL__JPEG__QUALITY=80` is sizes.small.jpeg.quality; other variables have no `__`.
    """
    found = {}
    for name, raw in sorted(environ.items()):
        places = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if name.startswith(PREFIX) and len(places) > 1:
            found[places] = (name, _value(raw))
    return found


def _value(raw: str) -> Any:
    """Parse a value as TOML (8080, true, ["a"]), or a table as JSON; anything else is taken as text."""
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except (ValueError, RecursionError):
        return _table(raw)


def _table(raw: str) -> Any:
    """Return the table or list that a text is in JSON, else the text: {"a": 1} is not TOML."""
    if raw.lstrip().startswith(("{", "[")):
        with suppress(ValueError, RecursionError):
            return json.loads(raw)
    return raw


def _mistakes(exc: ValidationError, variables: Mapping[tuple[str, ...], str], where: str) -> list[str]:
    """Describe each mistake in one line: its place, what was expected, what was found."""
    lines = []
    for error in exc.errors():
        places = error["loc"]
        variable = _variable(places, variables)
        place = f"environment: {variable}" if variable else f"{where}{_path(places)}"
        if error["type"] == "extra_forbidden":
            lines.append(f"{place}: no such key{_meant(places, is_variable=bool(variable))}")
        elif error["type"] in ("tuple_type", "list_type") and isinstance(error["input"], str):
            lines.append(f'{place}: expected a list like ["a", "b"]{_found(error["input"], places)}')
        else:
            message = error["msg"].removeprefix("Value error, ")
            lines.append(f"{place}: {message[0].lower()}{message[1:]}{_found(error['input'], places)}")
    return lines


def _found(value: Any, places: tuple[int | str, ...]) -> str:
    """Describe the value found. Secrets are not shown, since mistakes end up in terminals and logs."""
    if isinstance(value, dict | list) or _is_secret(places) or _is_table(places):
        return ""
    return f", found {_QUERY.sub('…', _USER.sub('…@', repr(value)))}"[:300]


def _is_secret(places: tuple[int | str, ...]) -> bool:
    return any(_SECRET.search(str(part)) for part in places)


def _is_table(places: tuple[int | str, ...]) -> bool:
    """Return whether a table belongs there: text in its place may be the secret that belongs into it."""
    return bool(_keys(places)) or len(places) == 1


def _variable(places: tuple[int | str, ...], variables: Mapping[tuple[str, ...], str]) -> str | None:
    """Return the environment variable that a mistake came from: at its place, or above or below it."""
    path = tuple(str(part) for part in places)
    if path in variables:
        return variables[path]
    above = (path[:length] for length in range(len(path) - 1, 1, -1))
    below = (each for each in variables if len(path) < len(each) and each[: len(path)] == path)
    return next((variables[each] for each in (*above, *below) if each in variables), None)


def _meant(places: tuple[int | str, ...], *, is_variable: bool) -> str:
    """Suggest a known key with a similar spelling."""
    known = _keys(places[:-1])
    close = difflib.get_close_matches(str(places[-1]), known, n=1, cutoff=0.7)
    if not close:
        return ""
    whole = ".".join((*map(str, places[:-1]), close[0]))
    spelt = PREFIX + whole.upper().replace(".", "__") if is_variable else close[0]
    return f"; did you mean {spelt}?"


def _keys(places: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the table at *places*; empty if that is not a model's."""
    model: Any = Config
    for part in places:
        if model is Config and part == "sizes":
            return list(Size.model_fields) if len(places) == 2 else []
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        model = fields[str(part)].annotation if str(part) in fields else None
        if not (isinstance(model, type) and issubclass(model, Section)):
            return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _path(places: tuple[int | str, ...]) -> str:
    """Name a key as in TOML, without a source's kind or the union member that pydantic adds."""
    if places and places[0] == "source":
        places = (*places[:2], *places[3:4])
    return ".".join(str(part) for part in places if part != "[key]")
