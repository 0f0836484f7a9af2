"""The small tables: addresses, limits, quota, storage and answers."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from coverproxy.config.base import (
    Bytes,
    FilePath,
    Host,
    Hosts,
    Networks,
    Port,
    Positive,
    Seconds,
    Section,
)


class Server(Section):
    """The address that covers are served on."""

    host: Host = "127.0.0.1"
    port: Port = 8080
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    stop_seconds: Seconds = 10.0


class Ops(Section):
    """The address of health and metrics."""

    host: Host = "127.0.0.1"
    port: Port = 8081


class Data(Section):
    """Where all data is stored."""

    dir: Annotated[FilePath, Field(min_length=1)] = "coverproxy-data"


class Log(Section):
    """What is logged, and how."""

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
    access: bool = False


class Limits(Section):
    """Limits on originals."""

    max_bytes: Annotated[Bytes, Field(gt=0)] = 33_554_432
    max_pixels: Positive = 50_000_000
    max_decoded_bytes: Annotated[int, Field(ge=16_777_216)] = 419_430_400
    max_side_px: Annotated[int, Field(gt=0, le=65_000)] = 16_000
    min_side_px: Positive = 20
    max_aspect: Annotated[float, Field(ge=1.0)] = 8.0


class Import(Section):
    """How originals are ingested."""

    mode: Literal["copy", "link", "reference"] = "copy"
    refused_hashes: Annotated[tuple[str, ...], Field(strict=False)] = ()
    same_bytes_isbns: Annotated[int, Field(ge=2)] = 100
    same_bytes_publishers: Annotated[int, Field(ge=2)] = 3
    source_priority: dict[str, int] = Field(default={})

    @field_validator("refused_hashes")
    @classmethod
    def _hex(cls, hashes: tuple[str, ...]) -> tuple[str, ...]:
        for value in hashes:
            if len(value) not in (32, 64) or set(value.lower()) - set("0123456789abcdef"):
                raise ValueError(f"{value!r} is not an MD5 or SHA-256; expected 32 or 64 hex digits")
        return tuple(value.lower() for value in hashes)


class Upload(Section):
    """Who may upload covers over HTTP, and how many."""

    owners: Literal["off", "review", "trusted"] = "review"
    trusted: Annotated[tuple[str, ...], Field(strict=False)] = ()
    max_bytes: Positive = 33_554_432
    seconds: Seconds = 60.0
    at_once: Annotated[int, Field(ge=1, le=64)] = 4
    per_hour: Positive = 600
    max_pending: Annotated[int, Field(ge=0)] = 1000
    pending_days: Positive = 30
    hosts: Hosts = ()
    allow: Networks = ()


class Reports(Section):
    """What readers may report about covers, and what follows automatically."""

    enabled: bool = True
    per_hour: Positive = 5
    max_open: Positive = 1000
    keep_days: Positive = 90
    auto_hide: bool = False


class Cache(Section):
    """How derivatives, and the knowledge that there are none, are cached."""

    fsync: bool = False
    max_bytes: Annotated[Bytes, Field(gt=0)] = 21_474_836_480
    min_free_bytes: Annotated[Bytes, Field(ge=0)] = 1_073_741_824
    min_free_inodes: Annotated[int, Field(ge=0)] = 1000
    check_seconds: Seconds = 30.0
    memory_bytes: Annotated[Bytes, Field(ge=0)] = 33_554_432
    memory_seconds: Seconds = 600.0
    absent_entries: Positive = 100_000
    absent_seconds: Seconds = 600.0


class RenderConfig(Section):
    """How much work may run and wait in one worker."""

    threads: Annotated[int, Field(ge=1, le=64)] = 1
    queue: Positive = 128
    answer_within_seconds: Seconds = 0.9
    browser_answer_within_seconds: Seconds = 8.0
    time_limit_seconds: Seconds = 10.0


class Quota(Section):
    """How covers made from originals are counted."""

    daily_limit: Annotated[int, Field(ge=0)] = 1000
    per: Literal["derivative", "item"] = "derivative"
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError) as exc:  # unknown, a directory, or no name at all
            raise ValueError(f"{name!r} is not a time zone; expected a name like 'Europe/Berlin'") from exc
        return name


class Pace(Section):
    """A rate limit on new covers: so many a second after a burst."""

    covers_per_second: Annotated[float, Field(gt=0)]
    burst: Positive


class Automated(Pace):
    """Rate limit on new covers for clients that are not browsers."""

    covers_per_second: Annotated[float, Field(gt=0)] = 1.0
    burst: Positive = 60


class ServerRole(Pace):
    """What a key in the role "server" gets: a catalogue's server that fetches covers for all its readers."""

    covers_per_second: Annotated[float, Field(gt=0)] = 20.0
    burst: Positive = 500
    answer_within_seconds: Annotated[float, Field(ge=0, le=50)] = 0.0


class BatchRole(Pace):
    """What a key in the role "batch" gets: a program that fetches many covers, and has time."""

    covers_per_second: Annotated[float, Field(gt=0)] = 5.0
    burst: Positive = 100
    answer_within_seconds: Annotated[float, Field(gt=0, le=50)] = 30.0


class Roles(Section):
    """What keys of other roles than "browser" get; those have [automated] and render's seconds."""

    server: ServerRole = ServerRole()
    batch: BatchRole = BatchRole()


class Answers(Section):
    """How long clients and proxies may cache an answer."""

    cover_max_age_seconds: Annotated[int, Field(ge=0)] = 86_400
    cover_stale_seconds: Annotated[int, Field(ge=0)] = 86_400
    interim_max_age_seconds: Annotated[int, Field(ge=0)] = 300
    missing_max_age_seconds: Annotated[int, Field(ge=0)] = 3600
    retry_after_seconds: Annotated[int, Field(ge=1)] = 5
