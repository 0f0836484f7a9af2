"""Protocol of the reports' store."""

from collections.abc import Sequence
from typing import Protocol

from coverproxy.domain.report import Report, Reporter, ReportReason
from coverproxy.domain.spec import Identifier


class ReportStore(Protocol):
    """What readers report, in the catalogue's database: within writing() in its transaction."""

    def open_of(self, names: Sequence[Identifier], reason: ReportReason | None = None) -> list[Report]:
        """Return the open reports of an item, by any of its *names*,
        oldest first; of one *reason* if given.
        """
        ...

    def add(self, report: Report) -> Report:
        """Store a new report with its reporters; return it with its number. MUST run within writing()."""
        ...

    def join(self, number: int, reporter: Reporter) -> None:
        """Add a reporter to a report, or renew what they said. Beyond MOST_REPORTERS nothing is added.

        The report's digest becomes the reporter's. MUST run within writing().
        """
        ...

    def by_code(self, code: str) -> Report | None:
        """Return the report with this code, or None."""
        ...

    def by_number(self, number: int) -> Report | None:
        """Return the report with this number, or None."""
        ...

    def open_reports(self, most: int) -> list[Report]:
        """Return at most *most* open reports: those with most reporters first, then the oldest."""
        ...

    def closed_reports(self, most: int) -> list[Report]:
        """Return at most *most* closed reports, the latest decision first."""
        ...

    def count_open(self) -> int:
        """Return how many are open."""
        ...

    def was_kept(self, names: Sequence[Identifier], digest: bytes) -> bool:
        """Return whether an administrator ever decided to keep this original of an item."""
        ...

    def close(self, report: Report) -> None:
        """Write a report's state, time, person and answer, and forget its reporters' mail addresses.

        MUST run within writing().
        """
        ...

    def forget(self, closed_before: int) -> int:
        """Remove reports that were closed before a moment, in seconds since 1970; return how many.

        Of decisions to keep a picture, the last for that picture stays, without reporters and their text.
        """
        ...
