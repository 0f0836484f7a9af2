"""The configuration: a tree of frozen values with their defaults; units stand in the names."""

import hashlib
import tomllib
from collections.abc import Mapping
from math import log
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from coverproxy.errors import ConfigError
from coverproxy.media import Format

PREFIX = "COVERPROXY_"
RESERVED_SIZES = frozenset({"info", "usage"})

Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A table of the config file: frozen, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Server(Section):
    """Where covers are served."""

    host: str = "127.0.0.1"
    port: Port = 8080
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    stop_seconds: Seconds = 10.0


class Ops(Section):
    """Where health and metrics are served."""

    host: str = "127.0.0.1"
    port: Port = 8081


class Data(Section):
    """Where everything is kept."""

    dir: str = "coverproxy-data"


class Log(Section):
    """What is logged, and how."""

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
    access: bool = False


class Formats(Section):
    """Which formats are offered beside JPEG."""

    webp: bool = True
    avif: bool = False

    @property
    def enabled(self) -> frozenset[Format]:
        """All formats that are switched on."""
        on = {Format.WEBP: self.webp, Format.AVIF: self.avif}
        return frozenset({Format.JPEG} | {form for form, is_on in on.items() if is_on})


class Jpeg(Section):
    """How a size's JPEGs are encoded."""

    quality: Annotated[int, Field(ge=1, le=100)] = 70
    chroma: Literal["4:4:4", "4:2:0"] = "4:4:4"
    quant_table: Annotated[int, Field(ge=0, le=8)] = 3
    trellis: bool = False


class Webp(Section):
    """How a size's WebPs are encoded."""

    quality: Annotated[int, Field(ge=1, le=100)] = 86
    effort: Annotated[int, Field(ge=0, le=6)] = 2
    smart_subsample: bool = True


class Avif(Section):
    """How a size's AVIFs are encoded."""

    quality: Annotated[int, Field(ge=1, le=100)] = 68
    effort: Annotated[int, Field(ge=0, le=9)] = 1
    chroma: Literal["4:4:4", "4:2:0"] = "4:4:4"


class Size(Section):
    """A named box, and how pictures are made to fit it."""

    width: Annotated[int, Field(ge=10, le=4000)]
    height: Annotated[int, Field(ge=10, le=4000)]
    decode_scale: Annotated[float, Field(ge=1.0, le=8.0)] = 2.0
    jpeg: Jpeg = Jpeg()
    webp: Webp = Webp()
    avif: Avif = Avif()

    def revision(self, renderer: int) -> str:
        """Name these settings, as rendered by revision *renderer* of the code, in ten hex digits."""
        text = f"{renderer}:{self.model_dump_json()}"
        return hashlib.blake2s(text.encode(), digest_size=5).hexdigest()


def _default_sizes() -> dict[str, dict[str, Any]]:
    """The three sizes, with the settings that gave the best picture for the bytes (bench/quality.py)."""
    return {
        "small": {
            "width": 100,
            "height": 150,
            "jpeg": {"quality": 90},
            "webp": {"quality": 93},
            "avif": {"quality": 87},
        },
        "medium": {"width": 200, "height": 300},
        "large": {
            "width": 500,
            "height": 750,
            "jpeg": {"quality": 82, "chroma": "4:2:0", "quant_table": 2},
            "webp": {"smart_subsample": False},
            "avif": {"quality": 66},
        },
    }


def _nearest(height: Any) -> dict[str, Any]:
    """Return the encoders' settings of the default size that is nearest in height."""
    if not isinstance(height, int) or height <= 0:
        return {}  # told as a mistake later
    size = min(_default_sizes().values(), key=lambda each: abs(log(each["height"] / height)))
    return {name: value for name, value in size.items() if isinstance(value, dict)}


class Limits(Section):
    """What an original may be at most, and at least."""

    max_bytes: Positive = 33_554_432
    max_pixels: Positive = 50_000_000
    max_side_px: Annotated[int, Field(gt=0, le=65_000)] = 16_000
    min_side_px: Positive = 20
    max_aspect: Annotated[float, Field(ge=1.0)] = 8.0


class Import(Section):
    """How originals are taken in."""

    mode: Literal["copy", "link", "reference"] = "copy"
    refused_hashes: Annotated[tuple[str, ...], Field(strict=False)] = ()
    same_bytes_isbns: Annotated[int, Field(ge=2)] = 5
    same_bytes_publishers: Annotated[int, Field(ge=2)] = 3
    source_priority: dict[str, int] = {}

    @field_validator("refused_hashes")
    @classmethod
    def _hex(cls, hashes: tuple[str, ...]) -> tuple[str, ...]:
        for value in hashes:
            if len(value) not in (32, 64) or set(value.lower()) - set("0123456789abcdef"):
                raise ValueError(f"{value!r} is no MD5 or SHA-256; expected 32 or 64 hex digits")
        return tuple(value.lower() for value in hashes)


class Cache(Section):
    """How derivatives are kept, and how it is remembered that there is none."""

    fsync: bool = False
    max_bytes: Positive = 21_474_836_480
    min_free_bytes: Annotated[int, Field(ge=0)] = 1_073_741_824
    check_seconds: Seconds = 30.0
    absent_entries: Positive = 100_000
    absent_seconds: Seconds = 600.0


class Render(Section):
    """How much work may run and wait in one worker."""

    threads: Annotated[int, Field(ge=1, le=64)] = 1
    queue: Positive = 64
    answer_within_seconds: Seconds = 0.9
    time_limit_seconds: Seconds = 10.0


class Quota(Section):
    """How covers made from originals are counted."""

    daily_limit: Annotated[int, Field(ge=0)] = 1000
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError) as exc:  # unknown, a directory, or no name at all
            raise ValueError(f"{name!r} is no time zone; expected a name like 'Europe/Berlin'") from exc
        return name


class Automated(Section):
    """How fast clients that are no browsers get new covers."""

    covers_per_second: Annotated[float, Field(gt=0)] = 1.0
    burst: Positive = 60


class Answers(Section):
    """How long clients and proxies may keep an answer."""

    cover_max_age_seconds: Annotated[int, Field(ge=0)] = 604_800
    cover_stale_seconds: Annotated[int, Field(ge=0)] = 86_400
    missing_max_age_seconds: Annotated[int, Field(ge=0)] = 3600
    retry_after_seconds: Annotated[int, Field(ge=1)] = 5


class Config(Section):
    """All of it. Every default suits one machine with nothing set."""

    server: Server = Server()
    ops: Ops = Ops()
    data: Data = Data()
    log: Log = Log()
    formats: Formats = Formats()
    sizes: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")], Size] = Field(
        default_factory=dict, validate_default=True
    )
    limits: Limits = Limits()
    imports: Import = Field(default=Import(), alias="import")
    cache: Cache = Cache()
    render: Render = Render()
    quota: Quota = Quota()
    automated: Automated = Automated()
    answers: Answers = Answers()

    @model_validator(mode="before")
    @classmethod
    def _add_default_sizes(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Lay the file's sizes over the default ones: a box of its own, or some keys of theirs.

        A box of its own is encoded as the default size nearest in height, where it does not say otherwise.
        """
        sizes = tree.get("sizes", {})
        if not isinstance(sizes, dict):
            return tree
        below: dict[str, Any] = _default_sizes()
        own = {name: box for name, box in sizes.items() if name not in below and isinstance(box, dict)}
        below |= {name: _nearest(box.get("height")) for name, box in own.items()}
        return {**tree, "sizes": _merged(below, sizes)}

    @field_validator("sizes")
    @classmethod
    def _not_reserved(cls, sizes: dict[str, Size]) -> dict[str, Size]:
        for name in sizes.keys() & RESERVED_SIZES:
            raise ValueError(f"{name!r} is a word of the URL; expected another name")
        return sizes


def load(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Config:
    """Read the config: defaults, then the TOML file, then `COVERPROXY_SECTION__KEY`, then *overrides*.

    Raises ConfigError that lists every mistake with its TOML path, the value found and what was expected.
    """
    tree = _read(path) if path else {}
    tree = _merged(tree, _from_environment(environ))
    tree = _merged(tree, dict(overrides or {}))
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
        tree = _merged(tree, branch)
    return tree


def _value(raw: str) -> Any:
    """Read a value as TOML would (8080, true, ["a"]); anything that is not TOML is the text itself."""
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _mistakes(exc: ValidationError) -> list[str]:
    """Say each mistake in one line: path, what was expected, what was found."""
    lines = []
    for error in exc.errors():
        path = ".".join(str(part) for part in error["loc"] if part != "[key]")
        if error["type"] == "extra_forbidden":
            lines.append(f"{path}: no such key")
            continue
        message = error["msg"].removeprefix("Value error, ")
        found = "" if isinstance(error["input"], dict) else f", found {error['input']!r}"
        lines.append(f"{path}: {message[0].lower()}{message[1:]}{found}")
    return lines
