"""Reports as JSON, for commands, pages and programs alike."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.domain.json_fields import Digest, Moment
from coverproxy.domain.moment import iso
from coverproxy.domain.report import Report, ReportReason, ReportState


class PublicReport(TypedDict):
    """A report, as the readers who made it see it."""

    code: Annotated[str, Field(description="The number by which readers see it.")]
    identifier: str
    reason: ReportReason
    at: Moment
    state: ReportState
    closed: Moment | None
    answer: Annotated[str, Field(description="The administrator's note.")]


class ReportJson(PublicReport):
    """A report, as administrators see it."""

    number: Annotated[int, Field(ge=1)]
    digest: Annotated[Digest, Field(description="The original that was shown when it was last reported.")]
    text: Annotated[str, Field(description="What the first reporter wrote.")]
    who: Annotated[str, Field(description="Who closed it.")]
    reporters: Annotated[int, Field(ge=0, description="How many readers reported the same.")]
    mail: Annotated[list[str], Field(description="The addresses that they left.")]


def public_report(report: Report) -> PublicReport:
    """Return a report for everybody who knows its code."""
    return {
        "code": report.code,
        "identifier": report.identifier.listed,
        "reason": report.reason,
        "at": iso(report.at),
        "state": report.state,
        "closed": iso(report.closed),
        "answer": report.answer,
    }


def report_as_json(report: Report) -> ReportJson:
    """Return a report for administrators: with its number, its text, and the reporters' mail."""
    return {
        **public_report(report),
        "number": report.number,
        "digest": report.digest.hex(),
        "text": report.text,
        "who": report.who,
        "reporters": len(report.reporters),
        "mail": sorted({each.mail for each in report.reporters if each.mail}),
    }
