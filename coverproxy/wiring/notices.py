"""Builds the parts that send notices: the post, the mail server, the watch."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from zoneinfo import ZoneInfo

from coverproxy.accounts.accounts import Accounts
from coverproxy.concurrency.background import beside
from coverproxy.concurrency.file_locks import ProcessLock
from coverproxy.config import Config, resolved
from coverproxy.domain.notice import NoticeKind
from coverproxy.mail.letters import Desk
from coverproxy.mail.smtp import MailServer
from coverproxy.service.covers import Covers
from coverproxy.service.notice_post import NoticePost, addressees
from coverproxy.service.notice_watch import NoticeWatch
from coverproxy.service.notices import Notices, NoticeSender
from coverproxy.web import texts
from coverproxy.wiring.data_folder import DataFolder
from coverproxy.wiring.webhooks import receiver_of


def notice_post(config: Config) -> NoticePost:
    """Return the post, for the service and for commands."""
    hooks = tuple(each.name for each in config.webhook if "notices" in each.tells)
    return NoticePost(config.notices, hooks, ZoneInfo(config.quota.time_zone))


def mail_server(config: Config) -> MailServer | None:
    """Return the mail server; None if the config has none. Raises ConfigError."""
    if not config.notices.smtp:
        return None
    return MailServer(resolved(config.notices.smtp, os.environ, in_url=True), config.notices.timeout_seconds)


def desk(config: Config) -> Desk:
    """Return the shared parts of all letters. Raises ConfigError."""
    return Desk(
        config.notices.sender, config.site.name, config.front.public_url.rstrip("/"), texts.load(config.site)
    )


def open_sender(config: Config, stack: AsyncExitStack) -> NoticeSender:
    """Return what sends a notice, closed with the stack. Raises ConfigError."""
    receivers = {
        each.name: receiver_of(config, each, stack) for each in config.webhook if "notices" in each.tells
    }
    return NoticeSender(mail_server(config), desk(config), receivers)


@asynccontextmanager
async def kept_told(
    config: Config, shelf: DataFolder, accounts: Accounts, covers: Covers
) -> AsyncIterator[None]:
    """Watch and send notices in the background; do nothing if there are no recipients."""
    post = notice_post(config)
    if not post.is_on:
        yield
        return
    lock = ProcessLock(shelf.layout.locks / "notices")
    try:
        async with AsyncExitStack() as stack:
            operators = addressees(NoticeKind.TEST, config.notices, post.hooks)
            seconds = config.notices.timeout_seconds
            notices = Notices(shelf.catalogue, open_sender(config, stack), operators, seconds)
            watch = NoticeWatch(
                post, shelf.catalogue, accounts, covers.health, covers.source_states, lock.is_ours,
                notices.direct,
            )  # fmt: skip
            async with beside(notices.run()), beside(watch.run()):
                yield
    finally:
        await asyncio.to_thread(lock.close)
