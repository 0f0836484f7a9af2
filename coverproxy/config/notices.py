"""Notices: mail about what happens, and who gets it."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from coverproxy.config.base import Seconds, Section
from coverproxy.domain.notice import mail_address

OperatorKind = Literal[
    "key-asked", "quota-80", "quota-100", "report", "upload-pending", "source-down", "source-back",
    "not-ready", "ready",
]  # fmt: skip
"""Kinds of notices that operators get."""


def _is_mail(text: str) -> str:
    if not (found := mail_address(text)):
        raise ValueError(f"{text[:100]!r} is not a mail address; expected one like covers@example.org")
    return found


Mail = Annotated[str, AfterValidator(_is_mail)]


class NoticeSettings(Section):
    """The mail server, its recipients, and when it sends."""

    smtp: Annotated[str, Field(repr=False)] = ""
    sender: str = ""
    operators: Annotated[tuple[Mail, ...], Field(strict=False, max_length=20)] = ()
    off: Annotated[tuple[OperatorKind, ...], Field(strict=False)] = ()
    digest_at: str = ""
    owners: bool = True
    reporters: bool = True
    after_seconds: Seconds = 60.0
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0

    @field_validator("smtp")
    @classmethod
    def _is_server(cls, text: str) -> str:
        try:
            parts = urlsplit(text)
            is_server = parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0
        except ValueError:
            is_server = False
        if text and (not is_server or parts.path.strip("/") or parts.query):
            raise ValueError(
                "is not a mail server; expected one like smtp://user:{env:NAME}@mail.example.org:587"
            )
        return text

    @field_validator("sender")
    @classmethod
    def _is_address(cls, text: str) -> str:
        return _is_mail(text) if text else text

    @field_validator("digest_at")
    @classmethod
    def _is_time(cls, text: str) -> str:
        if text and not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", text):
            raise ValueError(f"{text[:20]!r} is not a time of the day; expected one like 07:30, or nothing")
        return text

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.smtp and not self.sender:
            raise ValueError("smtp needs sender: the address that mails come from")
        if not self.smtp and (self.operators or self.sender):
            raise ValueError("operators and sender need smtp: the server that takes the mails")
        return self
