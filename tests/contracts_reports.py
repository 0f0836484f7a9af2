"""What every catalogue must keep of readers' reports; subclass per backend as CatalogueContract."""

from dataclasses import replace

from contracts_catalogue import BOOK, OTHER, digest

from coverproxy.domain.report import MOST_REPORTERS, Report, Reporter, ReportReason, ReportState
from coverproxy.originals.base import Catalogue

ANNA = Reporter("a1", 10, digest(1), "anna@example.org")
REPORT = Report(
    "AAAA-BBBB-CCCC-DDDD", 10, BOOK, ReportReason.WRONG, digest(1), "ein anderes Buch", reporters=(ANNA,)
)
OFFENSIVE = replace(REPORT, code="EEEE-FFFF-GGGG-HHHH", reason=ReportReason.OFFENSIVE, at=11)


def added(catalogue: Catalogue, report: Report = REPORT) -> Report:
    """Store a report as callers do."""
    with catalogue.writing() as tables:
        return tables.reports.add(report)


class ReportContract:
    """Reports of items, and who reported."""

    def test_a_report_is_found_by_item_code_and_number(self, catalogue: Catalogue) -> None:
        """Every value survives; other items, reasons and codes find nothing."""
        stored = added(catalogue)
        reports = catalogue.reports
        assert replace(stored, number=0) == REPORT
        assert reports.by_code(REPORT.code) == reports.by_number(stored.number) == stored
        assert reports.open_of([OTHER, BOOK]) == reports.open_of([BOOK], ReportReason.WRONG) == [stored]
        assert reports.open_of([OTHER]) == reports.open_of([BOOK], ReportReason.RIGHTS) == []
        assert (reports.by_code("none"), reports.by_number(stored.number + 1)) == (None, None)

    def test_reporters_join_and_are_bounded(self, catalogue: Catalogue) -> None:
        """Whoever reports twice counts once, with what was said last; past the bound nobody is added."""
        number = added(catalogue).number
        for each in range(MOST_REPORTERS + 5):
            with catalogue.writing() as tables:
                tables.reports.join(number, Reporter(f"b{each}", 20 + each, digest(2)))
        with catalogue.writing() as tables:
            tables.reports.join(number, replace(ANNA, at=99, mail=""))
        found = catalogue.reports.by_number(number)
        assert found is not None
        assert (len(found.reporters), found.digest) == (MOST_REPORTERS, digest(1))
        assert found.reporters[-1] == Reporter("a1", 99, digest(1))

    def test_open_ones_are_listed_by_weight(self, catalogue: Catalogue) -> None:
        """What most people report comes first, then the oldest; the list is bounded, and counted."""
        first, second = added(catalogue), added(catalogue, OFFENSIVE)
        with catalogue.writing() as tables:
            tables.reports.join(second.number, Reporter("b", 12, digest(1)))
        listed = [each.number for each in catalogue.reports.open_reports(most=9)]
        assert listed == [second.number, first.number]
        assert len(catalogue.reports.open_reports(most=1)) == 1
        assert catalogue.reports.count_open() == 2

    def test_closing_makes_room_and_forgets_mail(self, catalogue: Catalogue) -> None:
        """A closed report keeps its state and answer, not the addresses; the same may be reported again."""
        stored = added(catalogue)
        closed = replace(stored, state=ReportState.KEPT, closed=50, who="eva", answer="Es stimmt.")
        with catalogue.writing() as tables:
            tables.reports.close(closed)
        reports = catalogue.reports
        assert reports.by_code(REPORT.code) == replace(closed, reporters=(replace(ANNA, mail=""),))
        assert (reports.open_of([BOOK]), reports.count_open()) == ([], 0)
        assert [each.number for each in reports.closed_reports(most=5)] == [stored.number]
        assert reports.was_kept([OTHER, BOOK], digest(1))
        assert not reports.was_kept([BOOK], digest(2))
        assert added(catalogue, replace(REPORT, code="another")).number > stored.number

    def test_old_ones_are_forgotten(self, catalogue: Catalogue) -> None:
        """Only closed ones, before the moment; with their reporters."""
        first, second = added(catalogue), added(catalogue, OFFENSIVE)
        with catalogue.writing() as tables:
            tables.reports.close(replace(first, state=ReportState.FIXED, closed=50))
        assert (catalogue.reports.forget(50), catalogue.reports.forget(51)) == (0, 1)
        assert catalogue.reports.by_number(first.number) is None
        assert catalogue.reports.by_number(second.number) is not None

    def test_that_a_picture_was_kept_is_never_forgotten(self, catalogue: Catalogue) -> None:
        """One decision for each picture stays, without who reported and what they wrote."""
        for report, at in ((added(catalogue), 50), (added(catalogue, OFFENSIVE), 60)):
            with catalogue.writing() as tables:
                tables.reports.close(replace(report, state=ReportState.KEPT, closed=at, who="eva"))
        assert (catalogue.reports.forget(100), catalogue.reports.forget(100)) == (1, 0)
        (left,) = catalogue.reports.closed_reports(most=9)
        assert (left.code, left.text, left.reporters) == (OFFENSIVE.code, "", ())
        assert catalogue.reports.was_kept([BOOK], digest(1))
        assert not catalogue.reports.was_kept([BOOK], digest(2))
