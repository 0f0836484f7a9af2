"""Protocols of the stores of activity and history."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from coverproxy.stats.downloads import DownloadStore

MOST_LACKING = 500
"""ISBNs kept per account: the most requested."""

MOST_WANTED = 5000
"""ISBNs kept of all accounts together: the most requested."""

MOST_REFUSALS = 50
"""Refusals kept per account: the latest."""

REFUSAL_COUNT_DAYS = 30
"""Days for which the number of refusals per account is kept."""

LACKING_SECONDS = 90 * 86_400
"""An ISBN that was not requested for this long is forgotten."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """An item that had no cover: how often it was requested, and when last (seconds since 1970).

    `title`: as the latest request that named one called it; "": none did.
    """

    isbn: str
    asked: int
    last: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A refusal: the account, when (seconds since 1970), why, and the request's subject."""

    account: str
    at: int
    label: str
    detail: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What was answered in a stretch of time.

    `at`: its first second, since 1970. `answers`: count by X-Cover-Status. `seconds`: count by upper bound of
    the histogram of answer times, not cumulative; bounds are text.
    """

    at: int
    answers: Mapping[str, int]
    seconds: Mapping[str, int]


def of_all_accounts(
    lacking: Mapping[tuple[str, str], int], titles: Mapping[tuple[str, str], str], now: int
) -> list[Lacking]:
    """Sum up over accounts what an ActivityStore adds, in the order of the ISBNs."""
    asked: Counter[str] = Counter()
    named: dict[str, str] = {}
    for (account, isbn), count in lacking.items():
        asked[isbn] += count
        named[isbn] = titles.get((account, isbn)) or named.get(isbn, "")
    return [Lacking(isbn, asked[isbn], now, named[isbn]) for isbn in sorted(asked)]


class ActivityStore(Protocol):
    """What is recorded per account: ISBNs without a cover, and refusals. Bounded per account.

    Safe for several threads and processes at once. Every method blocks, and raises StoreUnavailable if the
    store cannot be read or written.
    """

    def add(
        self,
        lacking: Mapping[tuple[str, str], int],
        refused: Sequence[RefusalRow],
        now: int,
        counts: Mapping[tuple[str, str], int] | None = None,
        titles: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        """Add what accumulated since the last call: counts by (account, ISBN), and refusals in order.

        *titles*: of some of *lacking*, where requests said one.

        *counts*: refusals by (account, label), if there were more than *refused* holds.
        One atomic step. Keeps about MOST_LACKING ISBNs and exactly MOST_REFUSALS refusals per account, and
        about MOST_WANTED ISBNs of all accounts together.
        """
        ...

    def refusal_counts(self, account: str, since: int) -> dict[str, int]:
        """Return how often the account was refused for each reason since the day of *since* (UTC).

        *since*: seconds since 1970. Kept for REFUSAL_COUNT_DAYS.
        """
        ...

    def lacking(self, account: str, most: int = MOST_LACKING) -> list[Lacking]:
        """Return the ISBNs that had no cover, most requested first."""
        ...

    def most_lacking(self, most: int = MOST_LACKING) -> list[Lacking]:
        """Return what had no cover for all accounts together, most requested first: at most MOST_WANTED."""
        ...

    def title_of(self, isbn: str) -> str:
        """Return what the latest request that named it called an item without a cover; "": none did."""
        ...

    def refused(self, account: str) -> list[RefusalRow]:
        """Return the latest refusals, newest first."""
        ...

    def sweep(self, now: int) -> None:
        """Forget ISBNs not requested within LACKING_SECONDS, and counts older than REFUSAL_COUNT_DAYS."""
        ...


class HistoryStore(Protocol):
    """Samples of use, summed by time. The guarantees of ActivityStore about threads and errors apply."""

    def sample(self, steps: Iterable[tuple[int, int]], sample: Sample) -> None:
        """Add a sample to the sums of its *steps*: (seconds per row, seconds to keep the row)."""
        ...

    def samples(self, step: int, since: int) -> list[Sample]:
        """Return the samples of a *step* from the time *since* on, oldest first."""
        ...


class Notes(ActivityStore, HistoryStore, DownloadStore, Protocol):
    """What is noted of accounts, and of the service: one store keeps both."""
