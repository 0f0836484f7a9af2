"""Commands about what readers report: list and close."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli.common import needs_data, options, tell
from coverproxy.cli.curate import curating, deciding
from coverproxy.config import Config
from coverproxy.domain.errors import NoSuchReport
from coverproxy.domain.report import DECIDED, ReportState

if TYPE_CHECKING:
    from coverproxy.service.reports import ReportDesk


@click.group()
def reports() -> None:
    """List and close what readers report of covers."""


@contextmanager
def _desk(config: Config) -> Iterator["ReportDesk"]:
    from coverproxy.service.reports import ReportDesk
    from coverproxy.wiring.notices import notice_post

    with curating(config) as (shelf, curator):
        try:
            yield ReportDesk(shelf.catalogue, curator, config.reports, post=notice_post(config))
        except NoSuchReport as exc:
            raise click.ClickException(str(exc)) from None


@reports.command("list")
@options
@click.option("--closed", is_flag=True, help="List those that are decided.")
@needs_data
def list_(config: Config, as_json: bool, closed: bool) -> None:
    """List the open reports: those with most reporters first, then the oldest."""
    from coverproxy.service.report_json import report_as_json

    with _desk(config) as desk:
        found = desk.closed_reports() if closed else desk.open_reports()
    told = [report_as_json(each) for each in found]
    tell(as_json, told, "\n".join(map(_line, told)) or f"No report is {'closed' if closed else 'open'}.")


def _line(told: Mapping[str, Any]) -> str:
    people = f"{told['reporters']} reporter{'s' if told['reporters'] != 1 else ''}"
    end = f"  {told['state']} by {told['who']} {told['answer']!r}" if told["closed"] else ""
    text = f"  {told['text']!r}" if told["text"] else ""
    mail = f"  {', '.join(told['mail'])}" if told["mail"] else ""
    return (
        f"{told['number']:6}  {told['at'][:10]}  {told['identifier']}  {told['reason']}  {people}"
        f"  {told['digest'][:8]}{text}{mail}{end}"
    )


@reports.command()
@options
@needs_data
@deciding
@click.argument("number", type=int)
@click.argument("state", type=click.Choice([each.value for each in DECIDED]))
def close(config: Config, as_json: bool, number: int, state: str, note: str, who: str) -> None:
    """Close report NUMBER as fixed, hidden or kept; its reporters see that, and your note.

    "hidden" hides the reported picture too. "fixed" says that you chose or sent another picture.
    """
    from coverproxy.domain.decisions import Decision
    from coverproxy.service.report_json import report_as_json

    with _desk(config) as desk:
        closed = desk.close(number, ReportState(state), Decision(who, int(time.time()), note))
    tell(as_json, report_as_json(closed), f"Report {number} is closed: {state}")
