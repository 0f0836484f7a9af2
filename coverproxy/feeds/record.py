"""What one record of a feed says about the cover of one item."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class Action(StrEnum):
    """What a record asks for, of the covers that came from the same feed."""

    REPLACE = "replace"
    """Its pictures take the place of those that the feed sent before under the same reference."""
    WITHDRAW = "withdraw"
    """The feed's picture is to be shown no longer; pictures from elsewhere stay."""
    LEAVE = "leave"
    """Nothing about covers, or a test: what is there stays."""


@dataclass(frozen=True)
class Identifier:
    """An identifier as the sender wrote it; `scheme` is one of the registry, or "local:{agency}"."""

    scheme: str
    text: str


@dataclass(frozen=True)
class Link:
    """Where a feed's picture is, and what the sender says of it."""

    address: str
    """A URL, or a bare file name to look for beside the feed."""
    width: int | None = None
    height: int | None = None
    length: int | None = None
    """In bytes."""
    md5: str | None = None
    sha256: str | None = None
    changed: date | None = None
    may_be_hosted: bool = True
    """False: the sender offers a link, not a copy (ONIX list 161, code 01)."""

    @property
    def is_url(self) -> bool:
        """Say whether it is fetched, rather than looked for beside the feed."""
        return "://" in self.address


@dataclass(frozen=True)
class Relation:
    """Another item that the record links to: "format", "edition" or "translation"."""

    kind: str
    identifier: Identifier
    linked_by: str
    """The field that says so, as "marc-776"."""


@dataclass(frozen=True)
class Terms:
    """When a picture may be shown: both days are included; None where there is no limit."""

    shown_from: date | None = None
    shown_until: date | None = None


@dataclass(frozen=True)
class Record:
    """One record: which item, what to do, and its pictures, the best first.

    `line` is where the record begins in the sender's own file; `reference` is unique for one sender.
    `why` says in words why there is nothing to do.
    """

    reference: str
    line: int
    action: Action
    identifiers: tuple[Identifier, ...] = ()
    links: tuple[Link, ...] = ()
    relations: tuple[Relation, ...] = ()
    terms: Terms = field(default_factory=Terms)
    why: str = ""


class FeedUnreadable(Exception):
    """A feed that cannot be read on: the text says what and where. Records before that place are good."""
