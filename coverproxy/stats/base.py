"""What a store of activity and history promises, whatever database keeps it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

MOST_LACKING = 500
"""ISBNs kept per account: those asked for most."""

MOST_REFUSALS = 50
"""Refusals kept per account: the latest."""

REFUSAL_COUNT_DAYS = 30
"""Days for which it is kept how often an account was refused."""

LACKING_SECONDS = 90 * 86_400
"""An ISBN that nobody asked for in so long is forgotten."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """An ISBN that had no cover: how often it was asked for, and when last (seconds since 1970)."""

    isbn: str
    asked: int
    last: int


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A refusal: to which account, when (seconds since 1970), why, and of what."""

    account: str
    at: int
    label: str
    detail: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What was answered in a stretch of time.

    `at`: its first second, since 1970. `answers`: how many of each X-Cover-Status. `seconds`: how many took
    up to each bound of the histogram of answer times, the bounds as text, each counted once.
    """

    at: int
    answers: Mapping[str, int]
    seconds: Mapping[str, int]


class ActivityStore(Protocol):
    """What is noted of each account: ISBNs without a cover, and refusals. Bounded per account.

    Safe from several threads and processes at once. Every method blocks, and raises StoreUnavailable where
    the store cannot be read or written.
    """

    def add(
        self,
        lacking: Mapping[tuple[str, str], int],
        refused: Sequence[RefusalRow],
        now: int,
        counts: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        """Add up what came together since the last time: counts by (account, ISBN), and refusals in order.

        *counts*: how many were refused by (account, label), where more were than *refused* holds.
        One atomic step. Keeps of each account some MOST_LACKING ISBNs, and exactly MOST_REFUSALS refusals.
        """
        ...

    def refusal_counts(self, account: str, since: int) -> dict[str, int]:
        """Return how often the account was refused for each reason from the day of *since* (UTC) on.

        *since*: seconds since 1970. Kept for REFUSAL_COUNT_DAYS.
        """
        ...

    def lacking(self, account: str, most: int = MOST_LACKING) -> list[Lacking]:
        """Return the ISBNs that had no cover, the most asked for first."""
        ...

    def refused(self, account: str) -> list[RefusalRow]:
        """Return the latest refusals, the latest first."""
        ...

    def sweep(self, now: int) -> None:
        """Forget ISBNs that nobody asked for in LACKING_SECONDS, and counts older than REFUSAL_COUNT_DAYS."""
        ...


class HistoryStore(Protocol):
    """Samples of use, added up by time. Promises what ActivityStore does of threads and errors."""

    def sample(self, steps: Iterable[tuple[int, int]], sample: Sample) -> None:
        """Add a sample to the sums of its *steps*: (seconds that one stands for, seconds that it is kept)."""
        ...

    def samples(self, step: int, since: int) -> list[Sample]:
        """Return the samples of a *step* from the time *since* on, the oldest first."""
        ...
