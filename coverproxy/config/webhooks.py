"""Webhooks: receivers of changes and notices."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from coverproxy.config.base import Networks, Section

Told = Literal["covers", "notices"]
"""What a receiver gets: changed covers, or the notices that operators get by mail."""


class WebhookConfig(Section):
    """One receiver: its address, the secret that signs its requests, and what it gets."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    url: str
    secret: Annotated[str, Field(min_length=16, repr=False)]
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    most: Annotated[int, Field(ge=1, le=1000)] = 100
    allow: Networks = ()
    tells: Annotated[tuple[Told, ...], Field(strict=False, min_length=1)] = ("covers",)

    @field_validator("url")
    @classmethod
    def _is_url(cls, text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is not a URL; expected one like https://example.org/covers-changed")
        return text
