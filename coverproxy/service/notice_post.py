"""Puts notices on the list: decides who gets them, and from when on."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from coverproxy import log
from coverproxy.config.notices import NoticeSettings
from coverproxy.domain.notice import (
    OF_OWNER,
    OF_PERSON,
    URGENT,
    Addressee,
    Notice,
    NoticeKind,
    Way,
    mail_address,
)
from coverproxy.originals.base import CatalogueTables
from coverproxy.originals.notice_store import MOST_WAITING

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NoticePost:
    """The post. `hooks`: names of the webhooks that get notices. `zone`: the digest's time zone.

    Methods block on the catalogue. `now`: returns seconds since 1970.
    """

    rules: NoticeSettings
    hooks: tuple[str, ...] = ()
    zone: tzinfo = UTC
    now: Callable[[], float] = time.time

    @property
    def is_on(self) -> bool:
        """Whether there can be any recipient."""
        return bool(self.rules.smtp or self.hooks)

    def put(self, tables: CatalogueTables, notice: Notice, *, mail: str = "", hold: float = 0.0) -> None:
        """Queue a notice for the operators and for *mail*, a person's address, after *hold* seconds.

        Raises StoreUnavailable.
        """
        now = self.now()
        for each in addressees(notice.kind, self.rules, self.hooks, mail):
            due = next_digest(self.rules.digest_at, self.zone, now) if each.is_digest else int(now + hold)
            if not tables.notices.add(notice, each, due) and tables.notices.waiting()[0] >= MOST_WAITING:
                log.fault(_log, "a notice is not sent: too many wait", f"{MOST_WAITING} wait")


def addressees(
    kind: NoticeKind, rules: NoticeSettings, hooks: tuple[str, ...], mail: str = ""
) -> list[Addressee]:
    """Return who gets a notice of this kind. *mail*: address of the person concerned, "" if unknown."""
    found: list[Addressee] = []
    if kind not in OF_PERSON and kind.value not in rules.off:
        found += [Addressee(Way.HOOK, name) for name in hooks]
        is_digest = bool(rules.digest_at) and kind not in URGENT
        found += [Addressee(Way.MAIL, each, is_digest) for each in rules.operators] if rules.smtp else []
    wanted = (kind in OF_OWNER and rules.owners) or (kind is NoticeKind.REPORT_DECIDED and rules.reporters)
    person = mail_address(mail) if rules.smtp and wanted else ""
    if person and all(each.whom != person for each in found):
        found.append(Addressee(Way.MAIL, person))
    return found


def next_digest(at: str, zone: tzinfo, now: float) -> int:
    """Return the next moment at which it is *at*, as "07:30", in a time zone."""
    moment = datetime.fromtimestamp(now, zone)
    hour, minute = map(int, at.split(":"))
    then = moment.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return int((then if then > moment else then + timedelta(days=1)).timestamp())


NO_POST = NoticePost(NoticeSettings())
"""Tells nobody anything."""
