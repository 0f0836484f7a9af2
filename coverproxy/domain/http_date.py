"""HTTP dates (RFC 9110 §5.6.7): always UTC, whatever the machine's time zone."""

from datetime import UTC
from email.utils import parsedate_to_datetime


def seconds(text: str | None) -> float | None:
    """Parse an HTTP date to seconds since 1970; None if it is missing or invalid.

    The asctime form has no zone, and `-0000` means an unknown one: both are read as UTC, not as local time.
    """
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError, OSError):
        return None


def seconds_to_wait(text: str, now: float) -> float | None:
    """Parse a Retry-After, seconds or a date (RFC 9110 §10.2.3), to seconds from *now*; None if invalid."""
    if text.isascii() and text.strip().isdigit():
        return float(text.strip()[:9])
    moment = seconds(text)
    return None if moment is None else max(moment - now, 0.0)
