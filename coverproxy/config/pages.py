"""The pages for people: the site's name, who may get a key, and who may administer it."""

import os.path
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from coverproxy.config.base import FilePath, Positive, Section
from coverproxy.domain.formats import Loader, sniff

MAX_PLACEHOLDER_BYTES = 262_144
"""Kept in memory, and sent for every missing cover."""


Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
"""A language tag, like de or pt-BR."""


class Site(Section):
    """How this site presents itself."""

    name: Annotated[str, Field(min_length=1, max_length=80)] = "Book covers by ISBN"
    operator: str = ""
    contact: str = ""
    terms: str = ""
    language: Language = "en"
    languages: Annotated[tuple[Language, ...], Field(strict=False, max_length=20)] = ("en", "de", "fr")
    texts: FilePath = ""
    placeholder: FilePath = ""
    try_daily_limit: Annotated[int, Field(ge=0)] = 200

    @field_validator("texts", "placeholder")
    @classmethod
    def _is_there(cls, path: str) -> str:
        if path and not os.path.isfile(path):  # noqa: PTH113 - pathlib raises where a name is too long
            raise ValueError(f"{path[:100]!r} is not a readable file")
        return path

    @field_validator("placeholder")
    @classmethod
    def _is_picture(cls, path: str) -> str:
        if not path:
            return path
        with Path(path).open("rb") as file:
            body = file.read(MAX_PLACEHOLDER_BYTES + 1)
        if len(body) > MAX_PLACEHOLDER_BYTES:
            raise ValueError(f"{path!r} is too large; expected at most {MAX_PLACEHOLDER_BYTES} bytes")
        if sniff(body[:32]) not in (Loader.JPEG, Loader.PNG, Loader.GIF, Loader.WEBP):
            raise ValueError(f"{path!r} is not a JPEG, PNG, GIF or WebP")
        return path


class Signup(Section):
    """Who may get a key on the key page."""

    mode: Literal["open", "approve", "closed"] = "approve"
    keys_per_contact: Positive = 3
    keys_per_day: Positive = 20
    tries_per_hour: Positive = 10


class Admin(Section):
    """Who may use the admin pages; nobody, unless one of these is set."""

    token: str = Field(default="", repr=False)
    header: Annotated[str, Field(pattern=r"^([A-Za-z][A-Za-z0-9-]*)?$")] = ""
    session_hours: Positive = 12

    @field_validator("token")
    @classmethod
    def _is_long(cls, token: str) -> str:
        if token and len(token) < 16:
            raise ValueError("is too short to be safe; expected 16 characters or more")
        return token

    @property
    def is_on(self) -> bool:
        """Whether anybody can log in."""
        return bool(self.token or self.header)
