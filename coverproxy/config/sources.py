"""Sources of originals that are not stored here, and how they are all asked."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator

from coverproxy.config.base import FilePath, Networks, Positive, Seconds, Section
from coverproxy.config.presets import PRESETS
from coverproxy.config.tables import Limits
from coverproxy.domain.errors import ConfigError
from coverproxy.domain.original import Terms
from coverproxy.domain.url_template import PathTemplate, Template

_VARIABLE = re.compile(r"\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset({"host", "accept-encoding", "content-length", "transfer-encoding", "connection", "cookie"})

Days = Annotated[int, Field(ge=1, le=36_500)]
Texts = Annotated[tuple[str, ...], Field(strict=False)]
Statuses = Annotated[tuple[Annotated[int, Field(ge=200, le=599)], ...], Field(strict=False)]


def _path(text: str) -> str:
    """Check a template of a path or a key. Raises ValueError."""
    PathTemplate(text)
    return text


def resolved(text: str, environ: Mapping[str, str], *, in_url: bool = False) -> str:
    """Replace `{env:NAME}` by the environment's values, percent-encoded in a URL. Raises ConfigError.

    So secrets are neither in the config file nor in the output of `check-config`.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in environ:
            raise ConfigError(f"the environment has no {found[1]}, which the config names")
        return quote(environ[found[1]], safe="") if in_url else environ[found[1]]

    return _VARIABLE.sub(value, text)


def unset(sources: Iterable["AnySource"], environ: Mapping[str, str]) -> list[str]:
    """Report every variable that a source names and the environment lacks, each with its path."""
    return [
        f"source.{number}: the environment has no {name}"
        for number, source in enumerate(sources)
        for name in dict.fromkeys(_VARIABLE.findall(source.model_dump_json()))
        if name not in environ
    ]


def unset_options(path: str, options: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Report every variable that a table's values name and the environment lacks. *path*: the table's."""
    return [
        f"{path}.{option}: the environment has no {name}"
        for option, value in options.items()
        for name in dict.fromkeys(_VARIABLE.findall(value))
        if name not in environ
    ]


def _ends(day: str) -> int | None:
    """Return the end of a day in UTC; None if the text is not a day."""
    try:
        return int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()) + 86_400
    except ValueError:
        return None


class SourceConfig(Section):
    """Settings that every kind of source has."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    timeout_seconds: Seconds = 5.0
    concurrency: Annotated[int, Field(ge=1, le=64)] = 16
    requests_per_second: Annotated[float, Field(gt=0)] = 5.0
    burst: Positive = 60
    priority: int = 0
    keep: Literal["always", "never"] | Days = "always"
    recheck_after_seconds: Annotated[int, Field(ge=0)] = 2_592_000
    missing_under_px: Annotated[int, Field(ge=0)] = 0
    no_crop: bool = False
    licence: Annotated[str, Field(max_length=500)] = ""
    until: str = ""

    @field_validator("until")
    @classmethod
    def _is_day(cls, text: str) -> str:
        if text and _ends(text) is None:
            raise ValueError(f"{text[:40]!r} is not a day; expected one like 2027-12-31, or nothing")
        return text

    @property
    def terms(self) -> Terms:
        """The terms of all its pictures; they may be shown to the end of the day that is named."""
        return Terms(self.licence or None, _ends(self.until), self.no_crop)

    def limits(self, general: Limits) -> Limits:
        """The limits for originals of this source: the general ones, and its own smallest size for a real
        picture.
        """
        least = max(general.min_side_px, self.missing_under_px)
        return general.model_copy(update={"min_side_px": least})


class HttpSourceConfig(SourceConfig):
    """A source that is asked by URL."""

    kind: Literal["http"]
    preset: str = ""
    url: str
    headers: dict[str, str] = Field(default={})
    allow: Networks = ()
    timeout_seconds: Seconds = 15.0
    idle_seconds: Seconds = 12.0
    missing_statuses: Statuses = (404, 410)
    missing_types: Texts = ("text/html",)
    missing_redirects: Texts = ()
    missing_hashes: Texts = ()
    missing_under_bytes: Annotated[int, Field(ge=0)] = 0

    @field_validator("url")
    @classmethod
    def _is_url(cls, text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or not text.isascii() or " " in text:
            raise ValueError("not a URL; expected one like https://covers.example.org/{isbn13}.jpg")
        if parts.port == 0:  # .port itself raises where it is above 65535, or not a number
            raise ValueError("port 0 is not valid")
        if "{" in parts.netloc:
            raise ValueError("the host must be fixed; only the part after it may contain {fields}")
        Template(_VARIABLE.sub("x", text))
        return text

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name) or not value.isascii() or not value.isprintable():
                raise ValueError(f"{name!r} is not a header with a value of printable ASCII")
            if name.lower() in _OURS:
                raise ValueError(f"{name!r} cannot be set here")
        return headers

    @field_validator("missing_hashes")
    @classmethod
    def _are_hashes(cls, hashes: tuple[str, ...]) -> tuple[str, ...]:
        for value in hashes:
            if not re.fullmatch("[0-9a-fA-F]{32}|[0-9a-fA-F]{64}", value):
                raise ValueError(f"{value!r} is not an MD5 or SHA-256; expected 32 or 64 hex digits")
        return tuple(value.lower() for value in hashes)


class FolderSourceConfig(SourceConfig):
    """A source that reads a folder which others fill."""

    kind: Literal["folder"]
    dir: FilePath
    pattern: str = "{isbn13}.jpg"

    _is_template = field_validator("pattern")(_path)


class ObjectSourceConfig(SourceConfig):
    """A source in an object store."""

    kind: Literal["objectstore"]
    url: Annotated[str, Field(pattern=r"^(s3|gs|az)://[^/]")]
    key: str = "{isbn13}.jpg"
    endpoint: str = ""
    options: dict[str, str] = Field(default={})

    _is_template = field_validator("key")(_path)


AnySource = Annotated[HttpSourceConfig | FolderSourceConfig | ObjectSourceConfig, Field(discriminator="kind")]


def with_presets(sources: Any) -> Any:
    """Merge each source's keys over those of its preset. Raises ValueError."""
    if not isinstance(sources, list | tuple):
        return sources
    return tuple(_with_preset(each) if isinstance(each, dict) else each for each in sources)


def _with_preset(table: dict[str, Any]) -> dict[str, Any]:
    preset = table.get("preset")
    if preset in (None, ""):
        return table
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ValueError(
            f"{str(preset)[:40]!r} is not a preset; expected one of {', '.join(sorted(PRESETS))}"
        )
    return {"kind": "http", "name": preset, **PRESETS[preset], **table}


class AskingConfig(Section):
    """How all sources are asked."""

    side_by_side: bool = False
    contact: str = ""
    queue: Positive = 256
    turn_seconds: Seconds = 30.0
    absent_entries: Positive = 1_000_000
    absent_seconds: Seconds = 86_400.0
    absent_jitter: Annotated[float, Field(ge=0, le=0.9)] = 0.2
    look_seconds: Seconds = 5.0

    @field_validator("contact")
    @classmethod
    def _fits_a_header(cls, text: str) -> str:
        if not text.isascii() or (text and not text.isprintable()) or set("()") & set(text):
            raise ValueError("expected an address or a URL in printable ASCII, without brackets")
        return text
