"""What a cover server's answer means to one who fetches covers, decided over values."""

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
    """What a server said. `body`: at most one byte more than MAX_BODY_BYTES."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def label(self) -> str:
        """What X-Cover-Status says; the empty text from a server that has no such header."""
        return self.headers.get("X-Cover-Status", "")


class Verdict(Enum):
    """What an answer means for the one who fetches."""

    PICTURE = "a cover"
    UNCHANGED = "what is here already is right"
    MISSING = "there is none"
    LATER = "to be asked again"
    QUOTA = "the quota is used up"
    REFUSED = "the key or the address is refused"
    UNFIT = "no picture that could be kept"


_LABELS = {
    CoverStatus.MISSING: Verdict.MISSING,
    CoverStatus.INVALID: Verdict.MISSING,
    CoverStatus.QUOTA: Verdict.QUOTA,
    CoverStatus.THROTTLED: Verdict.LATER,
    CoverStatus.SLOW: Verdict.LATER,
}
"""Words that do not mean what others of their outcome do."""

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
    """Say what an answer means: by X-Cover-Status, by its status where that is missing, by its bytes last.

    A GIF of 1x1 px is LibraryThing's word for "no cover", whatever its status.
    """
    if (verdict := _of_label(answer.label) or _STATUSES.get(answer.status)) is not None:
        return verdict
    if answer.status != 200:
        return Verdict.UNFIT
    if answer.body[:3] == b"GIF" and answer.body[6:10] == b"\x01\x00\x01\x00":
        return Verdict.MISSING
    return Verdict.PICTURE if form(answer.body) else Verdict.UNFIT


def _of_label(label: str) -> Verdict | None:
    """Say what X-Cover-Status means; None for a picture's words, and for those of another server."""
    try:
        status = CoverStatus(label)
    except ValueError:
        return None
    if status in _LABELS:
        return _LABELS[status]
    return Verdict.LATER if status.is_failure else Verdict.REFUSED if status.is_refusal else None


def form(body: bytes) -> Format | None:
    """Return the format of a whole picture of a bearable length, by its bytes alone; None: it is none."""
    loader = sniff(body[:32])
    found = _FORMATS.get(loader) if loader else None
    return found if found and len(body) <= MAX_BODY_BYTES and is_whole(body, found) else None


def seconds_to_wait(answer: ServerAnswer, tried: int, now: float) -> float:
    """Return how long to wait before the next try: what the server says, else twice as long each time."""
    wait = http_date.seconds_to_wait(answer.headers.get("Retry-After", ""), now)
    return float(2**tried) if wait is None else wait


def resets_at(answer: ServerAnswer, now: float) -> float | None:
    """Return when the quota starts anew, in seconds since 1970; None where the answer does not tell."""
    moment = answer.headers.get("X-RateLimit-Reset", "")
    if moment.isascii() and moment.isdigit() and len(moment) <= 10:  # 2286; a longer one counts otherwise
        return float(moment)
    return now + seconds_to_wait(answer, 0, now) if "Retry-After" in answer.headers else None


def modified(answer: ServerAnswer) -> int | None:
    """Return an answer's Last-Modified in seconds since 1970; None where it has none that is one."""
    seconds = http_date.seconds(answer.headers.get("Last-Modified"))
    return int(seconds) if seconds is not None and 0 <= seconds <= LATEST_DATE else None
