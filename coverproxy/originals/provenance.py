"""What a source gave: validators, when to ask again, and how long an original may stay."""

from dataclasses import dataclass

from coverproxy.domain.spec import Identifier


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an original came from. Times are seconds since 1970; None: never (due), or for good."""

    identifier: Identifier
    source: str
    digest: bytes
    etag: str | None = None
    modified: str | None = None
    due: int | None = None
    keep_until: int | None = None
