"""What one record of a feed says about the cover of an item."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from coverproxy.domain.item_title import ItemTitle


class Action(StrEnum):
    """What a record demands for the covers from the same feed."""

    REPLACE = "replace"
    """Its pictures replace those that the feed sent under the same reference."""
    WITHDRAW = "withdraw"
    """Stop showing the feed's picture; pictures from elsewhere stay."""
    LEAVE = "leave"
    """Nothing about covers, or a test: no change."""


@dataclass(frozen=True)
class SentIdentifier:
    """An identifier as the sender wrote it; `scheme` is one of the registry, or "local:{agency}"."""

    scheme: str
    text: str


@dataclass(frozen=True)
class ShowingPeriod:
    """When a picture may be shown, both days included; None: no limit."""

    shown_from: date | None = None
    shown_until: date | None = None


@dataclass(frozen=True)
class Link:
    """The location of a feed's picture, and the sender's data about it."""

    address: str
    """A URL, or a bare file name to look for next to the feed."""
    width: int | None = None
    height: int | None = None
    length: int | None = None
    """In bytes."""
    md5: str | None = None
    sha256: str | None = None
    changed: date | None = None
    terms: ShowingPeriod = field(default_factory=ShowingPeriod)
    may_be_hosted: bool = True
    """False: the sender offers a link, not a copy (ONIX list 161, code 01)."""

    @property
    def is_url(self) -> bool:
        """Whether it is fetched, instead of looked for next to the feed."""
        return "://" in self.address


@dataclass(frozen=True)
class RecordRelation:
    """Another item that the record links to: "format", "edition" or "translation"."""

    kind: str
    identifier: SentIdentifier
    linked_by: str
    """The field that says so, such as "marc-776"."""


@dataclass(frozen=True)
class Record:
    """One record: the item, the action, and its pictures, best first.

    `line`: where the record begins in the sender's file. `reference`: unique per sender. `why`: in words, why
    there is nothing to do. `title`: what the sender calls the item.
    """

    reference: str
    line: int
    action: Action
    identifiers: tuple[SentIdentifier, ...] = ()
    links: tuple[Link, ...] = ()
    relations: tuple[RecordRelation, ...] = ()
    why: str = ""
    title: ItemTitle | None = None


class FeedUnreadable(Exception):
    """A feed cannot be read any further. The text says what is wrong and where; earlier records are valid."""
