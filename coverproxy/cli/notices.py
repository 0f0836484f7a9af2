"""Commands about notices: send one to try, and list what waits."""

import asyncio
import time
from contextlib import AsyncExitStack

import click

from coverproxy.cli.common import faults_told, needs_data, options, tell
from coverproxy.config import Config
from coverproxy.domain.notice import Addressee, Delivery, Notice, NoticeKind, Way, mail_address


@click.group()
def notices() -> None:
    """Test the notices by mail and webhook."""


@notices.command()
@options
@click.option("--to", metavar="ADDRESS", help="Send it only there, not to the operators.")
def test(config: Config, as_json: bool, to: str | None) -> None:
    """Send a notice to the operators and the webhooks at once, and say who accepted it.

    Exit code: 0 if all took it, else 1.
    """
    told = asyncio.run(_sent(config, _addressees(config, to)))
    lines = [f"{each['way']} {each['to']}: {each['fault'] or 'taken'}" for each in told]
    tell(as_json, told, "\n".join(lines))
    if any(each["fault"] for each in told):
        raise SystemExit(1)


def _addressees(config: Config, to: str | None) -> list[Addressee]:
    from coverproxy.service.notice_post import addressees
    from coverproxy.wiring.notices import notice_post

    if to is not None and not mail_address(to):
        raise click.BadParameter(f"{to!r} is not a mail address", param_hint="--to")
    if to is not None and not config.notices.smtp:
        raise click.ClickException("the config has no mail server: notices.smtp")
    if to is not None:
        return [Addressee(Way.MAIL, mail_address(to))]
    found = addressees(NoticeKind.TEST, config.notices, notice_post(config).hooks)
    if not found:
        raise click.ClickException(
            'nobody is told: notices.smtp with notices.operators, or a [[webhook]] with tells = ["notices"]'
        )
    return found


async def _sent(config: Config, to: list[Addressee]) -> list[dict[str, str]]:
    from coverproxy.wiring.notices import open_sender

    now = int(time.time())
    notice = Notice(NoticeKind.TEST, f"test {now}", now, {"path": "/"})
    with faults_told():
        async with AsyncExitStack() as stack:
            sender = open_sender(config, stack)
            whys = [(await sender.send([Delivery(0, notice, each)]))[0] for each in to]
    return [
        {"way": each.way.value, "to": each.whom, "fault": why} for each, why in zip(to, whys, strict=True)
    ]


@notices.command("list")
@options
@needs_data
def list_(config: Config, as_json: bool) -> None:
    """Say how many notices wait, how many of these have failed, and why."""
    from coverproxy.wiring.data_folder import open_shelf

    with faults_told(), open_shelf(config, to_write=False) as shelf:
        waiting, failed, fault = shelf.catalogue.notices.waiting()
    text = f"{waiting} wait, of which {failed} have failed" + (f": {fault}" if fault else "")
    tell(as_json, {"waiting": waiting, "failed": failed, "fault": fault}, text)
