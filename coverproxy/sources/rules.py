"""How a source over HTTP says "none", and what its other answers mean: rules over values, without I/O."""

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
    """How this source says that it has no cover, beside saying nothing else.

    `statuses`: of HTTP. `types`: media types, without parameters, in lower case. `redirects`: parts of the
    address that it leads to. `hashes`: hex MD5 or SHA-256 of pictures. `under_bytes`: of the body.
    """

    statuses: frozenset[int] = frozenset({404, 410})
    types: frozenset[str] = frozenset({"text/html"})
    redirects: tuple[str, ...] = ()
    hashes: frozenset[str] = frozenset()
    under_bytes: int = 0

    def leads_nowhere(self, address: str) -> bool:
        """Say whether a redirect to *address* stands for "none"."""
        return any(part in address for part in self.redirects)


def judged_by_head(
    status: int, headers: Mapping[str, str], missing: Missing, now: float, *, is_conditional: bool
) -> Answer | None:
    """Say what status and headers alone answer; None: the body has to be read. Raises SourceUnavailable."""
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
        return NotThere(f"a {kind} in place of a picture")
    if headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise SourceUnavailable("encoded", "the body is compressed, though none was asked for")
    return None


def judged_by_body(body: bytes, headers: Mapping[str, str], missing: Missing) -> Answer:
    """Say what a whole body answers."""
    if len(body) < max(missing.under_bytes, 1):
        return NotThere(f"{len(body)} bytes")
    if is_listed(body, missing.hashes):
        return NotThere("a picture known to stand for none")
    modified = _clean(headers.get("Last-Modified"))
    return Fetched(body, Validators(_clean(headers.get("ETag")), modified), date(modified))


def _clean(text: str | None) -> str | None:
    """Take a validator that can be kept and sent back as it is; others are none."""
    fits = text is not None and len(text) <= _MOST_VALIDATOR and text.isascii() and text.isprintable()
    return text if fits else None


def is_listed(body: bytes, hashes: frozenset[str]) -> bool:
    """Say whether a list of hashes has these bytes. Other projects' lists hold MD5; it is no guard here."""
    if not hashes:
        return False
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return not hashes.isdisjoint({md5, hashlib.sha256(body).hexdigest()})


def date(text: str | None) -> int | None:
    """Read a Last-Modified as seconds since 1970; None where it says nothing that a file can have."""
    moment = http_date.seconds(text)
    return int(moment) if moment is not None and 0 <= moment < LATEST_DATE else None
