"""Notices, in the catalogue's database; the statements are the same in SQLite and PostgreSQL."""

from collections.abc import Sequence
from typing import Any

import orjson

from coverproxy.domain.notice import Addressee, Delivery, Notice, NoticeKind, Way
from coverproxy.originals.notice_store import MOST_IN_DIGEST, MOST_WAITING
from coverproxy.originals.sql_dialect import Dialect

_ADD = (
    "INSERT INTO notice (once, way, whom, kind, at, facts, is_digest, due, failures, fault)"
    " SELECT ?, ?, ?, ?, ?, ?, ?, ?, 0, ''"
    " WHERE (SELECT count(*) FROM notice WHERE ended IS NULL) < ?"
    " ON CONFLICT (once, way, whom) DO NOTHING RETURNING number"
)
_NEXT = "SELECT number, whom, is_digest FROM notice WHERE ended IS NULL AND way = ? AND due <= ?"
_COLUMNS = "number, kind, once, at, facts, way, whom, is_digest, failures"
_ONE = (
    "UPDATE notice SET due = ? WHERE number = ? AND due <= ? AND ended IS NULL"  # noqa: S608 - constants only
    f" RETURNING {_COLUMNS}"
)
_DIGEST = (
    "UPDATE notice SET due = ? WHERE due <= ? AND number IN (SELECT number FROM notice WHERE ended IS NULL"  # noqa: S608 - likewise
    f" AND way = ? AND whom = ? AND is_digest = 1 AND due <= ? ORDER BY number LIMIT ?) RETURNING {_COLUMNS}"
)
_WAITING = (
    "SELECT count(*), count(*) FILTER (WHERE failures > 0), coalesce((SELECT fault FROM notice"
    " WHERE ended IS NULL AND failures > 0 ORDER BY number DESC LIMIT 1), '') FROM notice WHERE ended IS NULL"
)
_END = (
    "UPDATE notice SET ended = ?, fault = ?, whom = CASE WHEN kind = 'report-decided'"
    " THEN CAST(number AS text) ELSE whom END WHERE number = ?"
)
"""A reader's address is forgotten once they have their answer."""

_POSTPONE = "UPDATE notice SET due = ?, failures = failures + 1, fault = ? WHERE number = ?"
_TURN = (
    "INSERT INTO notice_state (name, state) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET state ="
    " excluded.state WHERE notice_state.state <> excluded.state RETURNING name"
)


class SqlNotices:
    """Tables `notice`, `notice_state`; see NoticeStore."""

    def __init__(self, dialect: Dialect) -> None:
        self._read = dialect.read_rows
        self._write = dialect.write_rows

    def add(self, notice: Notice, to: Addressee, due: int) -> bool:
        """See NoticeStore."""
        facts = orjson.dumps(dict(notice.facts)).decode()
        values = (notice.once, to.way.value, to.whom, notice.kind.value, notice.at, facts, int(to.is_digest))
        return bool(self._write(_ADD, (*values, due, MOST_WAITING)))

    def claim(self, way: Way, now: int, until: int) -> list[Delivery]:
        """See NoticeStore. Nothing is written where nothing is due."""
        found = self._read(f"{_NEXT} ORDER BY due, number LIMIT 1", (way.value, now))
        if not found:
            return []
        number, whom, is_digest = found[0]
        if is_digest:
            rows = self._write(_DIGEST, (until, now, way.value, whom, now, MOST_IN_DIGEST))
        else:
            rows = self._write(_ONE, (until, number, now))
        return sorted(map(_delivery, rows), key=lambda each: each.number)

    def end(self, numbers: Sequence[int], at: int, fault: str = "") -> None:
        """See NoticeStore."""
        for number in numbers:
            self._write(_END, (at, fault, number))

    def postpone(self, numbers: Sequence[int], until: int, fault: str) -> None:
        """See NoticeStore."""
        for number in numbers:
            self._write(_POSTPONE, (until, fault, number))

    def waiting(self) -> tuple[int, int, str]:
        """See NoticeStore."""
        count, failed, fault = self._read(_WAITING)[0]
        return int(count), int(failed), str(fault)

    def forget(self, ended_before: int) -> None:
        """See NoticeStore."""
        self._write("DELETE FROM notice WHERE ended < ?", (ended_before,))

    def turn(self, name: str, state: str, usual: str = "") -> bool:
        """See NoticeStore."""
        rows = self._read("SELECT state FROM notice_state WHERE name = ?", (name,))
        return (rows[0][0] if rows else usual) != state and bool(self._write(_TURN, (name, state)))


def _delivery(row: tuple[Any, ...]) -> Delivery:
    number, kind, once, at, facts, way, whom, is_digest, failures = row
    notice = Notice(NoticeKind(kind), once, at, orjson.loads(facts))
    return Delivery(number, notice, Addressee(Way(way), whom, bool(is_digest)), failures)
