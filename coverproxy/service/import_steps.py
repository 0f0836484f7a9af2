"""What a sender's file offers, step by step: pictures, withdrawals, links between editions, and faults."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from coverproxy.domain.editions import EditionLink
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.item_title import ItemTitle
from coverproxy.domain.original import NO_TERMS, Terms
from coverproxy.feeds.marc import MarcRules
from coverproxy.feeds.onix import OnixRules
from coverproxy.originals.examine import Candidate, Refusal

KOHA = "local:koha"
"""What Koha's biblionumbers are numbers of."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A sender takes back the picture of a record: its own, never what others brought or a person chose."""

    source: str
    record: str
    identifiers: tuple[Identifier, ...]
    why: str
    place: str


@dataclass(frozen=True, slots=True)
class Passed:
    """A record that has nothing to do with covers, or not yet; no fault.

    `remark`: what the report is to say all the same. `again`: when the file is to be read again, in seconds
    since 1970.
    """

    remark: Refusal | None = None
    again: int | None = None


@dataclass(frozen=True, slots=True)
class LinkedItems:
    """Items that are editions of each other, by pairs or as those of one work."""

    links: tuple[EditionLink, ...] = ()
    work: str = ""
    of_work: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class TitledItems:
    """What a record calls its item, under each of its names, whether or not it brings a picture."""

    identifiers: tuple[Identifier, ...]
    title: ItemTitle


Step = Candidate | Refusal | Withdrawal | Passed | LinkedItems | TitledItems

Fetch = Callable[[str, int], tuple[bytes, int | None]]
"""Fetches an address, at most so many bytes and one more. Raises OriginalRefused."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose file it is, and how it is to be read.

    `source`: the name that its pictures get. `terms`: under which they come, where it says nothing else.
    `koha`: the scheme of the numbers in Koha's zips. `fetch`: what fetches links; None: nothing may.
    `data`: our own data folder, passed over where it lies in a tree. `now`: seconds since 1970.
    """

    source: str = ""
    terms: Terms = NO_TERMS
    onix: OnixRules = field(default_factory=OnixRules)
    marc: MarcRules = field(default_factory=MarcRules)
    koha: str = KOHA
    fetch: Fetch | None = None
    data: Path | None = None
    now: int = 0
