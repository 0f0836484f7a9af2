"""Reports, in the catalogue's database; the statements are the same in SQLite and PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from coverproxy.domain.report import MOST_REPORTERS, Report, Reporter, ReportReason, ReportState
from coverproxy.domain.spec import Identifier
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_dialect import Dialect

_REPORT = "code, at, scheme, value, reason, digest, text, state, closed, who, answer, number"
_PLAIN = _REPORT.removesuffix(", number")
_ALL = f"SELECT {_REPORT} FROM report"  # noqa: S608 - constants only
_OPEN = (
    f"{_ALL} WHERE state = 'open'"  # noqa: S608 - likewise
    " ORDER BY (SELECT count(*) FROM reporter WHERE reporter.number = report.number) DESC, number LIMIT ?"
)
_MARKS = ", ".join(["?"] * len(_PLAIN.split(", ")))
_ADD = f"INSERT INTO report ({_PLAIN}) VALUES ({_MARKS}) RETURNING number"  # noqa: S608 - likewise
_JOIN = (
    "INSERT INTO reporter VALUES (?, ?, ?, ?, ?) ON CONFLICT (number, pseudonym)"
    " DO UPDATE SET at = excluded.at, digest = excluded.digest, mail = excluded.mail"
)
_FORGET_REPORTERS = "DELETE FROM reporter WHERE number IN (SELECT number FROM report WHERE closed < ?)"
_FORGET = (
    "DELETE FROM report WHERE closed < ? AND (state <> 'kept' OR EXISTS (SELECT 1 FROM report AS later"
    " WHERE later.scheme = report.scheme AND later.value = report.value AND later.state = 'kept'"
    " AND later.digest = report.digest AND later.number > report.number)) RETURNING number"
)
"""What says that a picture was kept stays, once for each picture: was_kept() reads it."""


class SqlReports:
    """Tables `report`, `reporter`; see ReportStore."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._read = dialect.read_rows
        self._write = dialect.write_rows

    def open_of(self, names: Sequence[Identifier], reason: ReportReason | None = None) -> list[Report]:
        """See ReportStore."""
        sql = f"{_ALL} WHERE scheme = ? AND value = ? AND state = 'open' ORDER BY number"
        found = [each for name in names for each in self._reports(sql, self._dialect.stored(name))]
        return sorted(
            (each for each in found if reason in (None, each.reason)), key=lambda report: report.number
        )

    def add(self, report: Report) -> Report:
        """See ReportStore."""
        values = (
            report.code, report.at, *self._dialect.stored(report.identifier), report.reason.value,
            report.digest, report.text, report.state.value, report.closed, report.who, report.answer,
        )  # fmt: skip
        number = self._write(_ADD, values)[0][0]
        for each in report.reporters:
            self.join(number, each)
        found = self.by_number(number)
        assert found is not None  # noqa: S101 - just written, in the same transaction
        return found

    def join(self, number: int, reporter: Reporter) -> None:
        """See ReportStore."""
        self._write("UPDATE report SET digest = ? WHERE number = ?", (reporter.digest, number))
        known = [row[0] for row in self._read("SELECT pseudonym FROM reporter WHERE number = ?", (number,))]
        if len(known) < MOST_REPORTERS or reporter.pseudonym in known:
            self._write(_JOIN, (number, reporter.pseudonym, reporter.at, reporter.digest, reporter.mail))

    def by_code(self, code: str) -> Report | None:
        """See ReportStore."""
        return next(iter(self._reports(f"{_ALL} WHERE code = ?", (code,))), None)

    def by_number(self, number: int) -> Report | None:
        """See ReportStore."""
        return next(iter(self._reports(f"{_ALL} WHERE number = ?", (number,))), None)

    def open_reports(self, most: int) -> list[Report]:
        """See ReportStore."""
        return self._reports(_OPEN, (most,))

    def closed_reports(self, most: int) -> list[Report]:
        """See ReportStore."""
        return self._reports(f"{_ALL} WHERE closed IS NOT NULL ORDER BY closed DESC, number LIMIT ?", (most,))

    def count_open(self) -> int:
        """See ReportStore."""
        return int(self._read("SELECT count(*) FROM report WHERE state = 'open'")[0][0])

    def was_kept(self, names: Sequence[Identifier], digest: bytes) -> bool:
        """See ReportStore."""
        sql = "SELECT 1 FROM report WHERE scheme = ? AND value = ? AND digest = ? AND state = 'kept'"
        return any(self._read(sql, (*self._dialect.stored(name), digest)) for name in names)

    def close(self, report: Report) -> None:
        """See ReportStore."""
        sql = "UPDATE report SET state = ?, closed = ?, who = ?, answer = ? WHERE number = ?"
        values = (report.state.value, report.closed, report.who, report.answer, report.number)
        self._write(sql, values)
        self._write("UPDATE reporter SET mail = '' WHERE number = ?", (report.number,))

    def forget(self, closed_before: int) -> int:
        """See ReportStore."""
        self._write(_FORGET_REPORTERS, (closed_before,))
        self._write("UPDATE report SET text = '' WHERE closed < ? AND text <> ''", (closed_before,))
        return len(self._write(_FORGET, (closed_before,)))

    def _reports(self, sql: str, values: tuple[Any, ...]) -> list[Report]:
        return readable(self._read(sql, values), self._report)

    def _report(self, row: tuple[Any, ...]) -> Report:
        code, at, scheme, value, reason, digest, *rest = row
        text, state, closed, who, answer, number = rest
        sql = "SELECT pseudonym, at, digest, mail FROM reporter WHERE number = ? ORDER BY at, pseudonym"
        reporters = tuple(Reporter(*each) for each in self._read(sql, (number,)))
        book = self._dialect.read(scheme, value)
        return Report(
            code, at, book, ReportReason(reason), digest, text, ReportState(state), closed, who, answer,
            reporters, number,
        )  # fmt: skip
