"""Provenance: the validators that a source returned, when to revalidate, and how long to keep an original."""

from dataclasses import dataclass

from coverproxy.domain.spec import Identifier


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an original came from. Times are seconds since 1970; None: never (due), or forever."""

    identifier: Identifier
    source: str
    digest: bytes
    etag: str | None = None
    modified: str | None = None
    due: int | None = None
    keep_until: int | None = None
