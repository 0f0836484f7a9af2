"""The texts of the pages: English below, a translation over it, an operator's own over both.

An operator's own are in the language of the site; other languages are offered as they come.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from coverproxy.config import Site
from coverproxy.domain.counted import is_singular, spaced
from coverproxy.domain.errors import ConfigError
from coverproxy.web.texts.typography import typeset

ENGLISH = "en"

_GAP = re.compile(r"\{([a-z_]+)(?::([^{}|]*)\|([^{}|]*))?\}")
"""A gap, `{limit}`, or words that agree with a number, `{count:cover|covers}`."""


@dataclass(frozen=True)
class Texts:
    """Texts by name (`home.lead`), unescaped: the code that shows one escapes it."""

    language: str
    by_name: Mapping[str, str]

    def __call__(self, name: str, **values: object) -> str:
        """Return a text with its gaps, like {limit}, filled, and of words like {n:one|many} those that agree.

        Not by str.format(): a file's {limit.__class__} would reach into what is filled in.
        """
        return _GAP.sub(lambda gap: self._filled(gap, values), self.by_name[name])

    def _filled(self, gap: re.Match[str], values: Mapping[str, object]) -> str:
        value, (name, one, many) = values[gap[1]], gap.groups()
        if one is None:
            return spaced(value) if isinstance(value, int) else str(value)
        if not isinstance(value, int):
            raise TypeError(f"{name}: {value!r} is not a number that words can agree with")
        return one if is_singular(value, self.language) else many


def load(site: Site) -> Texts:
    """Read the texts that the config asks for. Raises ConfigError that lists every mistake."""
    texts = builtin(ENGLISH)
    if site.language != ENGLISH:
        own = builtin(site.language)
        if not own and not site.texts:
            raise ConfigError(
                f"site.language: there are no texts in {site.language!r}; site.texts can name a file of them"
            )
        texts = texts | own
    own = _of_file(Path(site.texts), texts, site.language) if site.texts else {}
    return Texts(site.language, texts | own)


def load_all(site: Site) -> dict[str, Texts]:
    """Read the texts of every language that is offered: the site's own first. Raises ConfigError."""
    found = {site.language: load(site)}
    for language in site.languages:
        if language not in found:
            own = builtin(language)
            if not own:
                raise ConfigError(f"site.languages: there are no texts in {language!r}")
            found[language] = Texts(language, builtin(ENGLISH) | own)
    return found


def builtin(language: str) -> dict[str, str]:
    """Return the texts that ship with the pages in a language; empty if there are none."""
    return dict(_builtin(language))


@lru_cache(16)
def _builtin(language: str) -> Mapping[str, str]:
    file = resources.files(__package__).joinpath(f"{language}.toml")
    return _texts(file.read_text(encoding="utf-8"), language) if file.is_file() else {}


def _texts(toml: str, language: str) -> dict[str, str]:
    """Return the texts of a file. Raises ValueError, RecursionError if it is not TOML."""
    return {name: typeset(text, language) for name, text in flat(tomllib.loads(toml)).items()}


def flat(tree: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Name each text by its path."""
    found: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= flat(value, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = str(value).strip()
    return found


def gaps(text: str) -> set[str]:
    """Return what a text shows, by name, like `{limit}`."""
    return {gap[0] for gap in _GAP.finditer(text) if gap[2] is None}


def agreements(text: str) -> set[str]:
    """Return the numbers that words of a text agree with, like `{limit:…}`."""
    return {f"{{{gap[1]}:…}}" for gap in _GAP.finditer(text) if gap[2] is not None}


@lru_cache(1)
def _fillable() -> Mapping[str, frozenset[str]]:
    """Return what each text can be given: what any language needs, since words agree in some only."""
    found: dict[str, set[str]] = {}
    for file in resources.files(__package__).iterdir():
        if file.name.endswith(".toml"):
            for name, text in _builtin(file.name.removesuffix(".toml")).items():
                found.setdefault(name, set()).update(gaps(text) | agreements(text))
    return {name: frozenset(each) for name, each in found.items()}


def _of_file(path: Path, known: Mapping[str, str], language: str) -> dict[str, str]:
    try:
        found = _texts(path.read_text(encoding="utf-8"), language)
    except (OSError, RecursionError, ValueError) as exc:  # ValueError: not TOML, not UTF-8, a huge number
        raise ConfigError(f"site.texts: {path}: {exc}") from exc
    mistakes = [f"site.texts: {path}: {name}: no such text" for name in found if name not in known]
    mistakes += [
        f"site.texts: {path}: {name}: there is nothing to put into {gap}"
        for name, text in found.items()
        if name in known
        for gap in sorted((gaps(text) | agreements(text)) - _fillable()[name])
    ]
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return found
