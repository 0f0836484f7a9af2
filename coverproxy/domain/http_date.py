"""Dates as HTTP writes them (RFC 9110 §5.6.7): always UTC, wherever this machine stands."""

from datetime import UTC
from email.utils import parsedate_to_datetime


def seconds(text: str | None) -> float | None:
    """Read a date as seconds since 1970; None where it says none.

    asctime's form has no zone, and `-0000` says that none is known: both are UTC, never this machine's zone.
    """
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError, OSError):
        return None


def seconds_to_wait(text: str, now: float) -> float | None:
    """Read a Retry-After, seconds or a date (RFC 9110 §10.2.3), as seconds from *now*; None: it says none."""
    if text.isascii() and text.strip().isdigit():
        return float(text.strip()[:9])
    moment = seconds(text)
    return None if moment is None else max(moment - now, 0.0)
