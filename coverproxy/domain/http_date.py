"""HTTP dates (RFC 9110 §5.6.7): always UTC, whatever the machine's time zone."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from time import gmtime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def written(moment: float) -> str:
    """Write seconds since 1970, before the year 10000, as an HTTP date. Faster than email.utils, for hits."""
    year, month, day, hour, minute, second, weekday, *_ = gmtime(moment)
    date = f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04}"
    return f"{date} {hour:02}:{minute:02}:{second:02} GMT"


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
