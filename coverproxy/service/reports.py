"""Readers' reports: entered, joined and decided; covers are hidden automatically if that is configured."""

import time
from collections.abc import Callable
from dataclasses import replace

from coverproxy.config import Reports as ReportRules
from coverproxy.domain.decisions import Decision
from coverproxy.domain.errors import Busy, NoCover, NoSuchReport
from coverproxy.domain.notice import Notice, NoticeKind, facts_of
from coverproxy.domain.original import Original
from coverproxy.domain.report import (
    DECIDED,
    Report,
    Reporter,
    ReportReason,
    ReportState,
    new_code,
    read_code,
)
from coverproxy.domain.spec import Identifier
from coverproxy.originals.base import Catalogue, CatalogueTables
from coverproxy.service.curate import Curator
from coverproxy.service.notice_post import NO_POST, NoticePost

HIDING_REPORTERS = 3
"""Distinct reporters of one picture after which it is hidden, where the operator switched that on."""

MOST_LISTED = 500

_DAY_SECONDS = 86_400
_BY_ITSELF = "the service"


class ReportDesk:
    """Takes reports in, and closes them. Every method blocks. `now`: returns seconds since 1970.

    Raises StoreUnavailable.
    """

    def __init__(
        self, catalogue: Catalogue, curator: Curator, rules: ReportRules,
        now: Callable[[], float] = time.time, post: NoticePost = NO_POST,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._curator = curator
        self._rules = rules
        self._now = now
        self._post = post

    def shown(self, identifier: Identifier) -> Original | None:
        """Return the original that an item shows: what a report is about."""
        return next((each for each in self._catalogue.of_item(identifier) if each.is_usable), None)

    def file(
        self, identifier: Identifier, reason: ReportReason, pseudonym: str, mail: str, text: str
    ) -> Report:
        """Enter a report, or join the open one for the same item and reason; return it.

        Raises NoCover if the item shows nothing, Busy if too many reports are open.
        """
        now = int(self._now())
        self._catalogue.reports.forget(now - self._rules.keep_days * _DAY_SECONDS)
        with self._catalogue.writing() as tables:
            names = tables.aliases.names(identifier)
            original = next((each for each in tables.of_item(identifier) if each.is_usable), None)
            if original is None:
                raise NoCover("there is no cover to report")
            reporter = Reporter(pseudonym, now, original.digest, mail)
            report = self._entered(tables, names, reason, reporter, text)
        if self._is_to_hide(names, original):
            self._hide(names, original)
        return self.by_code(report.code)

    def _entered(
        self, tables: CatalogueTables, names: tuple[Identifier, ...], reason: ReportReason, by: Reporter,
        text: str,
    ) -> Report:  # fmt: skip
        if known := tables.reports.open_of(names, reason):
            tables.reports.join(known[0].number, by)
            return known[0]
        if tables.reports.count_open() >= self._rules.max_open:
            raise Busy("too many reports are open")
        report = Report(new_code(), by.at, names[0], reason, by.digest, text, reporters=(by,))
        self._post.put(tables, _notice(NoticeKind.REPORT, report, by.at))
        return tables.reports.add(report)

    def _is_to_hide(self, names: tuple[Identifier, ...], original: Original) -> bool:
        """Whether enough people report this picture. A person's choice, or decision to keep it, stands."""
        if not self._rules.auto_hide or original.is_pinned:
            return False
        reports = self._catalogue.reports
        about = {
            each.pseudonym
            for report in reports.open_of(names)
            for each in report.reporters
            if each.digest == original.digest
        }
        return len(about) >= HIDING_REPORTERS and not reports.was_kept(names, original.digest)

    def _hide(self, names: tuple[Identifier, ...], original: Original) -> None:
        """Hide it; the reports stay open, as a person has still to look."""
        note = f"{HIDING_REPORTERS} readers reported it"
        self._curator.hide(names[0], original.digest, Decision(_BY_ITSELF, int(self._now()), note))

    def by_code(self, text: str) -> Report:
        """Return the report with this code, however it is typed. Raises NoSuchReport."""
        code = read_code(text)
        found = self._catalogue.reports.by_code(code) if code else None
        if found is None:
            raise NoSuchReport("there is no report with this number")
        return found

    def open_reports(self, most: int = MOST_LISTED) -> list[Report]:
        """Return the open reports, those with most reporters first."""
        return self._catalogue.reports.open_reports(most)

    def count_open(self) -> int:
        """Return how many reports are open."""
        return self._catalogue.reports.count_open()

    def closed_reports(self, most: int = MOST_LISTED) -> list[Report]:
        """Return the closed reports that are kept, the latest decision first."""
        return self._catalogue.reports.closed_reports(most)

    def close(self, number: int, state: ReportState, by: Decision) -> Report:
        """Decide a report; HIDDEN hides the reported picture too. Raises NoSuchReport, NoSuchOriginal."""
        report = self._catalogue.reports.by_number(number)
        if report is None or report.state is not ReportState.OPEN:
            raise NoSuchReport(f"there is no open report {number}")
        if state not in DECIDED:
            raise NoSuchReport(f"a report is closed as one of {', '.join(DECIDED)}")
        if state is ReportState.HIDDEN:
            self._curator.hide(report.identifier, report.digest, by)
        closed = replace(report, state=state, closed=by.at, who=by.who, answer=by.note)
        with self._catalogue.writing() as tables:
            for each in report.reporters:
                if each.mail:
                    self._post.put(tables, _notice(NoticeKind.REPORT_DECIDED, closed, by.at), mail=each.mail)
            tables.reports.close(closed)
        return closed


def _notice(kind: NoticeKind, report: Report, at: int) -> Notice:
    """Return a report's notice: for operators, or, once it is decided, for those who reported."""
    facts = facts_of(
        item=report.identifier.listed, reason=report.reason, text=report.text or "–", code=report.code,
        state=report.state, answer=report.answer or "–",
        path="/admin/reports" if kind is NoticeKind.REPORT else f"/report/{report.code}",
    )  # fmt: skip
    return Notice(kind, f"{kind} {report.code}", at, facts)
