"""Moments as text: ISO 8601 in UTC, to the second."""

from datetime import UTC, datetime
from typing import overload


@overload
def iso(seconds: float) -> str: ...


@overload
def iso(seconds: float | None) -> str | None: ...


def iso(seconds: float | None) -> str | None:
    """Format seconds since 1970; None, for what has not happened, stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
