"""The Protocol of a source of originals: three distinct kinds of answer, and conditional requests."""

from dataclasses import dataclass
from typing import Protocol

from coverproxy.domain.spec import Identifier


@dataclass(frozen=True, slots=True)
class Validators:
    """What a source returned with an original, for later conditional requests.

    `etag`: as sent, with its quotes. `modified`: its Last-Modified, as sent. Either may be missing.
    """

    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """An image as received from a source, not yet examined. `date`: its own, seconds since 1970, or None."""

    body: bytes
    validators: Validators
    date: int | None = None


@dataclass(frozen=True, slots=True)
class NotThere:
    """The source answered and has no cover for this identifier; `why` says how it said so, for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The source still has the version that the validators name."""


Answer = Fetched | NotThere | Unchanged


class SourceUnavailable(Exception):
    """The source gave no valid answer: down, too slow, refusing, broken, or not allowed.

    `retry_after`: seconds that it asked us to wait, or None.
    """

    def __init__(self, reason: str, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.retry_after = retry_after


class Source(Protocol):
    """Fetches originals from one place. Safe for many tasks at once; bounded in time and bytes."""

    name: str

    async def fetch(self, identifier: Identifier, known: Validators | None) -> Answer:
        """Fetch the cover of *identifier*; with *known*, conditionally (returns Unchanged).

        Raises SourceUnavailable for everything that is not an answer; nothing else but CancelledError.
        """
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...
