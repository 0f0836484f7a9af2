"""Classifies a cover server's answers for the download tool, as decisions over values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from coverproxy.domain import http_date
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.domain.formats import Format, Loader, is_whole, sniff
from coverproxy.domain.original import LATEST_DATE

MAX_BODY_BYTES = 33_554_432

_FORMATS = {Loader.JPEG: Format.JPEG, Loader.WEBP: Format.WEBP, Loader.HEIF: Format.AVIF}


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """A server's answer. `body`: at most one byte more than MAX_BODY_BYTES."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def label(self) -> str:
        """The X-Cover-Status; empty if the server does not send one."""
        return self.headers.get("X-Cover-Status", "")


class Verdict(Enum):
    """The meaning of an answer for the download tool."""

    PICTURE = "a cover"
    UNCHANGED = "the file is already current"
    MISSING = "there is none"
    LATER = "to be asked again"
    QUOTA = "the quota is used up"
    REFUSED = "the key or the address is refused"
    UNFIT = "not a usable picture"


_LABELS = {
    CoverStatus.MISSING: Verdict.MISSING,
    CoverStatus.EDITION: Verdict.MISSING,
    CoverStatus.INVALID: Verdict.MISSING,
    CoverStatus.QUOTA: Verdict.QUOTA,
    CoverStatus.THROTTLED: Verdict.LATER,
    CoverStatus.SLOW: Verdict.LATER,
}
"""Words that differ from their outcome's usual verdict."""

_STATUSES = {
    304: Verdict.UNCHANGED,
    401: Verdict.REFUSED,
    403: Verdict.REFUSED,
    404: Verdict.MISSING,
    410: Verdict.MISSING,
    429: Verdict.LATER,
    500: Verdict.LATER,
    502: Verdict.LATER,
    503: Verdict.LATER,
    504: Verdict.LATER,
}


def judge(answer: ServerAnswer) -> Verdict:
    """Classify an answer: by X-Cover-Status, else by its HTTP status, else by its bytes.

    A GIF of 1x1 px is LibraryThing's way to say "no cover", whatever its status.
    """
    if (verdict := _of_label(answer.label) or _STATUSES.get(answer.status)) is not None:
        return verdict
    if answer.status != 200:
        return Verdict.UNFIT
    if answer.body[:3] == b"GIF" and answer.body[6:10] == b"\x01\x00\x01\x00":
        return Verdict.MISSING
    return Verdict.PICTURE if form(answer.body) else Verdict.UNFIT


def _of_label(label: str) -> Verdict | None:
    """Classify by X-Cover-Status; None for words of success, and for unknown words."""
    try:
        status = CoverStatus(label)
    except ValueError:
        return None
    if status in _LABELS:
        return _LABELS[status]
    return Verdict.LATER if status.is_failure else Verdict.REFUSED if status.is_refusal else None


def form(body: bytes) -> Format | None:
    """Return the format of a complete picture of acceptable size, from its bytes alone; None if it is not
    one.
    """
    loader = sniff(body[:32])
    found = _FORMATS.get(loader) if loader else None
    return found if found and len(body) <= MAX_BODY_BYTES and is_whole(body, found) else None


def seconds_to_wait(answer: ServerAnswer, tried: int, now: float) -> float:
    """Return the wait before the next try: what the server says, else doubling each time."""
    wait = http_date.seconds_to_wait(answer.headers.get("Retry-After", ""), now)
    return float(2**tried) if wait is None else wait


def resets_at(answer: ServerAnswer, now: float) -> float | None:
    """Return when the quota resets, in seconds since 1970; None if the answer does not say."""
    moment = answer.headers.get("X-RateLimit-Reset", "")
    if moment.isascii() and moment.isdigit() and len(moment) <= 10:  # 2286; a longer number has another unit
        return float(moment)
    return now + seconds_to_wait(answer, 0, now) if "Retry-After" in answer.headers else None


def modified(answer: ServerAnswer) -> int | None:
    """Return an answer's Last-Modified in seconds since 1970; None if it is missing or invalid."""
    seconds = http_date.seconds(answer.headers.get("Last-Modified"))
    return int(seconds) if seconds is not None and 0 <= seconds <= LATEST_DATE else None
