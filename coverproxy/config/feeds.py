"""Feeds: whose files are imported, from where, and by which rules."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from coverproxy.config.base import Bytes, FilePath, Hosts, Networks, Seconds, Section

Texts = Annotated[tuple[str, ...], Field(strict=False)]


class FeedConfig(Section):
    """One sender: a folder that its files land in, or a URL, and the rules for its pictures."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    dir: FilePath = ""
    url: str = ""
    done: Literal["remember", "move"] = "remember"
    full: Texts = ()
    most_withdrawn: Annotated[float, Field(ge=0, le=1)] = 0.1
    hosts: Hosts = ()
    allow: Networks = ()
    requests_per_second: Annotated[float, Field(gt=0)] = 1.0
    timeout_seconds: Seconds = 30.0
    max_bytes: Bytes = 4_000_000_000
    audiences: Texts = ("00", "03")
    pack_shots: bool = False
    copies_linkable: bool = False
    all_isbns: bool = False
    koha: Annotated[str, Field(pattern=r"^(isbn|local:[a-z0-9][a-z0-9._-]{0,31})$")] = "local:koha"
    licence: str = ""
    no_crop: bool = False

    @model_validator(mode="after")
    def _is_from_one_place(self) -> "FeedConfig":
        if bool(self.dir) == bool(self.url):
            raise ValueError("expected either a dir or a url")
        return self

    @field_validator("url")
    @classmethod
    def _is_url(cls, text: str) -> str:
        parts = urlsplit(text)
        if text and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("is not a URL; expected one like https://example.org/feed.xml")
        return text

    @field_validator("audiences")
    @classmethod
    def _are_audiences(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for each in codes:
            if each == "01" or not (len(each) == 2 and each.isdigit()):
                raise ValueError(
                    f"{each!r} is not a content audience of ONIX list 154, or is the restricted one"
                )
        return codes
