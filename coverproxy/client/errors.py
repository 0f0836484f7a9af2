"""Errors of the client library, and which answer means which."""

import orjson

from coverproxy.client.classify import ServerAnswer, resets_at, seconds_to_wait
from coverproxy.domain.cover_status import CoverStatus


class ClientError(Exception):
    """Base of all errors of the client library. The text is for people; it never contains the whole key."""


class InvalidIdentifier(ClientError, ValueError):
    """The text is not an identifier, or its check digit is wrong."""


class UnknownSize(ClientError, ValueError):
    """The service has no size with that name."""


class BadRequest(ClientError):
    """The service refuses the request as it is: a detail is missing, malformed or too long."""


class KeyRefused(ClientError):
    """The key is not known, revoked, waits for approval, or is bound to a site."""


class NotTheOwner(ClientError):
    """The secret is neither the one of the key's owner nor the admin token."""


class PictureRefused(ClientError):
    """The uploaded file is not accepted: not a picture, damaged, too small or too large."""


class QuotaExceeded(ClientError):
    """The day's quota of the key is used up. `resets_at`: seconds since 1970; None if unknown."""

    def __init__(self, text: str, resets_at: float | None) -> None:
        super().__init__(text)
        self.resets_at = resets_at


class TryLater(ClientError):
    """The service asked to wait longer, or more often, than the client does. `retry_after`: seconds."""

    def __init__(self, text: str, retry_after: float) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Unreachable(ClientError):
    """No answer: the address, the network or the service is down, or the time ran out."""


class UnexpectedAnswer(ClientError):
    """The answer is not one of a cover service: another program listens at the address."""


_OF_LABEL: dict[str, type[ClientError]] = {
    CoverStatus.INVALID: InvalidIdentifier,
    CoverStatus.SIZE: UnknownSize,
    CoverStatus.KEY: KeyRefused,
    CoverStatus.OWNER: NotTheOwner,
    CoverStatus.REFUSED: PictureRefused,
    CoverStatus.LARGE: PictureRefused,
    CoverStatus.TYPE: BadRequest,
    CoverStatus.QUESTION: BadRequest,
    CoverStatus.MANY: BadRequest,
    CoverStatus.LONG: BadRequest,
    CoverStatus.PATH: BadRequest,
    CoverStatus.TWICE: BadRequest,
    CoverStatus.ORIGINAL: BadRequest,
}
"""Errors by X-Cover-Status; a test compares them with the words that the service has."""

_PASSING = frozenset({CoverStatus.THROTTLED, CoverStatus.PENDING, CoverStatus.UNAVAILABLE, CoverStatus.SLOW})

_RETRIED = frozenset({429, 500, 502, 503, 504})
"""Statuses without our word, from nginx or another proxy in front of the service."""


def is_passing(answer: ServerAnswer) -> bool:
    """Return whether the same request may succeed a little later.

    A used-up quota has status 429 too, but lasts until the day ends.
    """
    if answer.label:
        return answer.label in _PASSING
    return answer.status in _RETRIED


def error_of(answer: ServerAnswer, now: float) -> ClientError:
    """Return the error that an answer other than a success means. *now*: seconds since 1970."""
    text = _said(answer)
    if answer.label == CoverStatus.QUOTA:
        return QuotaExceeded(text, resets_at(answer, now))
    if is_passing(answer):
        return TryLater(text, seconds_to_wait(answer, 0, now))
    if kind := _OF_LABEL.get(answer.label):
        return kind(text)
    if answer.status == 413:  # nginx's own, before the service saw the upload
        return PictureRefused(text)
    if location := answer.headers.get("Location"):
        return UnexpectedAnswer(f"{text}: the service redirects to {location[:200]}; use its address there")
    return UnexpectedAnswer(text)


_REASONS: dict[str, str] = {
    CoverStatus.KEY: "the key is not known, revoked, not yet approved, or bound to a site",
    CoverStatus.SIZE: "the service has no such size",
}
"""Reasons for answers whose body is a placeholder."""


def _said(answer: ServerAnswer) -> str:
    """Return the reason: the problem's detail (RFC 9457), a line of text, else ours."""
    status = f"{answer.status} {answer.label}".rstrip()
    try:
        return f"{orjson.loads(answer.body)['detail']} ({status})"
    except (orjson.JSONDecodeError, TypeError, KeyError):
        pass
    if answer.label and answer.headers.get("Content-Type", "").startswith("text/plain"):
        return f"{answer.body[:200].decode(errors='replace').strip()} ({status})"
    reason = _REASONS.get(answer.label)
    return f"{reason} ({status})" if reason else f"the service answered {status}"
