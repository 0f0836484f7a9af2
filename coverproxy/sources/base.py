"""What a source of originals promises: three answers, kept apart, and how it can be asked again."""

from dataclasses import dataclass
from typing import Protocol

from coverproxy.domain.spec import Identifier


@dataclass(frozen=True, slots=True)
class Validators:
    """What a source said of an original when it was fetched, so that it can be asked whether it changed.

    `etag`: as sent, with its quotes. `modified`: its Last-Modified, as sent. Either may be missing.
    """

    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """An image as a source gave it, not looked into yet. `date`: its own, seconds since 1970, or None."""

    body: bytes
    validators: Validators
    date: int | None = None


@dataclass(frozen=True, slots=True)
class NotThere:
    """The source was asked and has no cover of this identifier; `why` tells how it said so, for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The source still has what the validators name."""


Answer = Fetched | NotThere | Unchanged


class SourceUnavailable(Exception):
    """The source gave no answer that means anything: down, too slow, refusing, broken, or not allowed.

    `retry_after`: seconds it asked us to wait, or None.
    """

    def __init__(self, reason: str, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.retry_after = retry_after


class Source(Protocol):
    """Asks one place for originals. Safe for many tasks at once; bounded in time and bytes by itself."""

    name: str

    async def fetch(self, identifier: Identifier, known: Validators | None) -> Answer:
        """Ask for the cover of *identifier*; with *known*, only if it is another one (else Unchanged).

        Raises SourceUnavailable for all that is no answer; never anything else but CancelledError.
        """
        ...

    async def aclose(self) -> None:
        """Give back connections."""
        ...
