"""Notices as letters: plain text, in the texts of the pages."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime
from typing import Protocol

from coverproxy.domain.notice import Delivery, Notice, one_line
from coverproxy.domain.schemes import for_people, unlisted


class Says(Protocol):
    """The texts of the pages, with their gaps filled."""

    def __call__(self, name: str, **values: object) -> str:
        """Return a text by its name."""
        ...


@dataclass(frozen=True)
class Desk:
    """Shared by all letters: the sender's address and name, the service's own address, and the texts."""

    sender: str
    name: str
    url: str
    says: Says


def subject(desk: Desk, notice: Notice) -> str:
    """Return a notice in one line."""
    return one_line(desk.says(f"notice.{_name(notice)}_subject", **_facts(desk, notice)))


def text(desk: Desk, notice: Notice) -> str:
    """Return a notice in words, with the address to go to."""
    path = notice.facts.get("path", "")
    told = desk.says(f"notice.{_name(notice)}_text", **_facts(desk, notice))
    return f"{told}\n\n{desk.url}{path}" if path and desk.url else told


def letter(desk: Desk, deliveries: Sequence[Delivery]) -> EmailMessage:
    """Return the letter for one notice, or for a day's: all to one address.

    What people typed cannot become a header: `one_line` and the policy both forbid line breaks.
    """
    first = deliveries[0]
    if first.to.is_digest:
        about = one_line(desk.says("notice.digest_subject", count=len(deliveries)))
        parts = [f"* {subject(desk, each.notice)}\n\n{text(desk, each.notice)}" for each in deliveries]
        body = "\n\n\n".join(parts)
    else:
        about, body = subject(desk, first.notice), text(desk, first.notice)
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(display_name=one_line(desk.name), addr_spec=desk.sender)
    made["To"] = Address(addr_spec=first.to.whom)
    made["Subject"] = f"[{one_line(desk.name)[:60]}] {about}"
    made["Date"] = format_datetime(localtime())
    made["Message-ID"] = _message_id(desk, deliveries)
    made["Auto-Submitted"] = "auto-generated"
    footer = desk.says("notice.footer", site=desk.name, url=desk.url)
    made.set_content(f"{body}\n\n-- \n{footer}\n", cte="quoted-printable")
    return made


def _facts(desk: Desk, notice: Notice) -> dict[str, object]:
    """Return the facts in the words of pages: reasons and states, and an item as people write it."""
    facts: dict[str, object] = dict(notice.facts)
    if "item" in facts:
        facts["item"] = for_people(unlisted(str(facts["item"])))
    named = {"reason", "state"} & notice.facts.keys() if "code" in notice.facts else set()
    return facts | {name: desk.says(f"report.{name}_{notice.facts[name]}") for name in sorted(named)}


def _message_id(desk: Desk, deliveries: Sequence[Delivery]) -> str:
    """Return the same for the same notices: where a letter comes twice, mail programs show it once."""
    what = "\n".join(f"{each.notice.once} {each.to.whom}" for each in deliveries)
    digest = hashlib.sha256(what.encode()).hexdigest()[:32]
    return f"<{digest}@{desk.sender.rpartition('@')[2]}>"


def _name(notice: Notice) -> str:
    return notice.kind.value.replace("-", "_")
