"""Reports as JSON, for commands, pages and programs alike."""

from datetime import UTC, datetime
from typing import Any

from coverproxy.domain.report import Report


def report_as_json(report: Report, *, is_private: bool) -> dict[str, Any]:
    """Return a report; `is_private`: for administrators, with its number, what was written, and mail."""
    told: dict[str, Any] = {
        "code": report.code,
        "identifier": report.identifier.listed,
        "reason": report.reason.value,
        "at": _iso(report.at),
        "state": report.state.value,
        "closed": None if report.closed is None else _iso(report.closed),
        "answer": report.answer,
    }
    if not is_private:
        return told
    return told | {
        "number": report.number,
        "digest": report.digest.hex(),
        "text": report.text,
        "who": report.who,
        "reporters": len(report.reporters),
        "mail": sorted({each.mail for each in report.reporters if each.mail}),
    }


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
