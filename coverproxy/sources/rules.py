"""Rules for answers over HTTP: how a source says "none", and what other answers mean. No I/O."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from coverproxy.domain import http_date
from coverproxy.domain.original import LATEST_DATE
from coverproxy.sources.base import Answer, Fetched, NotThere, SourceUnavailable, Unchanged, Validators

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WAIT_AFTER_429 = 60.0
_MOST_VALIDATOR = 256


@dataclass(frozen=True, slots=True)
class Missing:
    """How this source says that it has no cover.

    `statuses`: of HTTP. `types`: media types, without parameters, in lower case. `redirects`: parts of a
    redirect's target. `hashes`: hex MD5 or SHA-256 of pictures. `under_bytes`: of the body.
    """

    statuses: frozenset[int] = frozenset({404, 410})
    types: frozenset[str] = frozenset({"text/html"})
    redirects: tuple[str, ...] = ()
    hashes: frozenset[str] = frozenset()
    under_bytes: int = 0

    def leads_nowhere(self, address: str) -> bool:
        """Return whether a redirect to *address* means "none"."""
        return any(part in address for part in self.redirects)


def judged_by_head(
    status: int, headers: Mapping[str, str], missing: Missing, now: float, *, is_conditional: bool
) -> Answer | None:
    """Judge by status and headers; None: the body must be read. Raises SourceUnavailable."""
    if status in missing.statuses:
        return NotThere(f"status {status}")
    if status == 304 and is_conditional:
        return Unchanged()
    if status != 200:
        wait = http_date.seconds_to_wait(headers.get("Retry-After", ""), now)
        if status == 429 and wait is None:
            wait = _WAIT_AFTER_429
        raise SourceUnavailable("status", str(status), wait if status in (429, 503) else None)
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in missing.types:
        return NotThere(f"{kind} instead of a picture")
    if headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise SourceUnavailable("encoded", "the body is compressed, although we did not ask for that")
    return None


def judged_by_body(body: bytes, headers: Mapping[str, str], missing: Missing) -> Answer:
    """Judge by the whole body."""
    if len(body) < max(missing.under_bytes, 1):
        return NotThere(f"{len(body)} bytes")
    if is_listed(body, missing.hashes):
        return NotThere("a known placeholder picture")
    modified = _clean(headers.get("Last-Modified"))
    return Fetched(body, Validators(_clean(headers.get("ETag")), modified), date(modified))


def _clean(text: str | None) -> str | None:
    """Return a validator if it can be stored and sent back unchanged, else None."""
    fits = text is not None and len(text) <= _MOST_VALIDATOR and text.isascii() and text.isprintable()
    return text if fits else None


def is_listed(body: bytes, hashes: frozenset[str]) -> bool:
    """Return whether a list of hashes contains these bytes. MD5 occurs in other projects' lists."""
    if not hashes:
        return False
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return not hashes.isdisjoint({md5, hashlib.sha256(body).hexdigest()})


def date(text: str | None) -> int | None:
    """Read a Last-Modified as seconds since 1970; None if it is not a plausible file time."""
    moment = http_date.seconds(text)
    return int(moment) if moment is not None and 0 <= moment < LATEST_DATE else None
