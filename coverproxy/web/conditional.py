"""Preconditions and ranges, decided over values (RFC 9110 §13 and §14)."""

import re
from collections.abc import Mapping

from coverproxy.domain import http_date

_RANGE = re.compile(r"bytes=\s*(\d{0,15})-(\d{0,15})\s*", re.IGNORECASE | re.ASCII)
_TAG = re.compile(r'(W/)?("[^"]*")')

NOTHING = slice(0, 0)
"""A range beyond the end: the answer is 416."""


def is_unchanged(headers: Mapping[str, str], etag: str, mtime: int) -> bool:
    """Return whether the client has this already, so that the answer is 304 (§13.2.2).

    If-None-Match alone decides if it is sent. Dates mean "not newer than", not equality.
    """
    tags = headers.get("If-None-Match")
    if tags is not None:
        return tags.strip() == "*" or any(tag == etag for _, tag in _TAG.findall(tags))
    since = _seconds(headers.get("If-Modified-Since"))
    return since is not None and mtime <= since


def has_failed(headers: Mapping[str, str], etag: str, mtime: int) -> bool:
    """Return whether a precondition fails, so that the answer is 412."""
    tags = headers.get("If-Match")
    if tags is not None:
        return tags.strip() != "*" and not any(tag == etag and not weak for weak, tag in _TAG.findall(tags))
    since = _seconds(headers.get("If-Unmodified-Since"))
    return since is not None and mtime > since


def part(headers: Mapping[str, str], etag: str, mtime: int, length: int) -> slice | None:
    """Return the slice that a Range header asks for; None for all of it, NOTHING if there is no such part.

    Several ranges, or an invalid header, are answered with all of it (§14.2 allows both).
    """
    match = _RANGE.fullmatch(headers.get("Range", ""))
    if not match or not any(match.groups()) or not _is_current(headers.get("If-Range"), etag, mtime):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(length - int(last), 0), length
        return slice(start, stop) if int(last) else NOTHING
    start, stop = int(first), min(int(last) + 1 if last else length, length)
    if last and int(last) < int(first):
        return None
    return slice(start, stop) if start < length else NOTHING


def _is_current(validator: str | None, etag: str, mtime: int) -> bool:
    """Return whether If-Range still matches; a weak tag never does (§13.1.5)."""
    if validator is None or validator == etag:
        return True
    return _seconds(validator) == mtime


def _seconds(text: str | None) -> int | None:
    """Parse an HTTP date to whole seconds since 1970; None if it is invalid."""
    moment = http_date.seconds(text)
    return None if moment is None else int(moment)
