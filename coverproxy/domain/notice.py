"""Notices, which are sent by mail or webhook, and their addressees."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MAX_FACT = 300
"""Most characters of one fact: a mail stays short whatever people typed."""

_MAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{4,253}\Z)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z0-9-]{2,}"
)


class NoticeKind(StrEnum):
    """What a notice is about. The last ones but `TEST` are urgent: they never wait for a digest."""

    KEY_ASKED = "key-asked"
    KEY_APPROVED = "key-approved"
    QUOTA_80 = "quota-80"
    QUOTA_100 = "quota-100"
    REPORT = "report"
    REPORT_DECIDED = "report-decided"
    UPLOAD_PENDING = "upload-pending"
    SOURCE_DOWN = "source-down"
    SOURCE_BACK = "source-back"
    NOT_READY = "not-ready"
    READY = "ready"
    TEST = "test"


OF_PERSON = frozenset({NoticeKind.KEY_APPROVED, NoticeKind.REPORT_DECIDED})
"""Kinds for one person only: the operator's answer to what they asked."""

OF_OWNER = frozenset({NoticeKind.KEY_APPROVED, NoticeKind.QUOTA_80, NoticeKind.QUOTA_100})
"""Kinds that go to a key's owner."""

URGENT = frozenset(
    {NoticeKind.SOURCE_DOWN, NoticeKind.SOURCE_BACK, NoticeKind.NOT_READY, NoticeKind.READY, NoticeKind.TEST}
)


class Way(StrEnum):
    """How a notice is delivered."""

    MAIL = "mail"
    HOOK = "hook"


@dataclass(frozen=True, slots=True)
class Addressee:
    """Where a notice goes: a mail address, or a webhook's name. `is_digest`: it waits for the day's mail."""

    way: Way
    whom: str
    is_digest: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice. `once`: its identity; two with the same are one.

    `at`: seconds since 1970. `facts`: fills the gaps of its text.
    """

    kind: NoticeKind
    once: str
    at: int
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice on its way to one addressee. `number`: the store's. `failures`: tries that failed."""

    number: int
    notice: Notice
    to: Addressee
    failures: int = 0


def facts_of(**values: object) -> dict[str, str]:
    """Return facts for a notice: each on one line, without control characters, and bounded."""
    return {name: one_line(str(value)) for name, value in values.items()}


def one_line(text: str) -> str:
    """Return a text on one line: no control characters or bidirectional overrides, at most MAX_FACT long."""
    spaced = "".join(" " if char.isspace() else char for char in text)
    shown = "".join(char for char in spaced if unicodedata.category(char)[0] != "C")
    return " ".join(shown.split())[:MAX_FACT]


def mail_address(text: str) -> str:
    """Return a mail address that one mail can be sent to; "" if *text* is anything else.

    Stricter than RFC 5322: nothing that a mail server could read as several addresses or as a command.
    """
    name, at, host = text.strip().rpartition("@")
    try:
        plain = f"{name}{at}{host if host.isascii() else host.encode('idna').decode()}"
    except UnicodeError:
        return ""
    return plain if _MAIL.fullmatch(plain) and ".." not in plain else ""
