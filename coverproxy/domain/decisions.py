"""Decisions that people take about originals, and the history of a book's originals."""

from dataclasses import dataclass
from enum import StrEnum

from coverproxy.domain.spec import Identifier


class Act(StrEnum):
    """An action on one original, or on all originals of a book."""

    ADD = "add"
    REPLACE = "replace"
    PIN = "pin"
    UNPIN = "unpin"
    HIDE = "hide"
    RESTORE = "restore"
    REMOVE = "remove"
    ADMIT = "admit"
    APPROVE = "approve"
    EXPIRE = "expire"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's decision: who, when (seconds since 1970), and why in their own words."""

    who: str
    at: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry of a book's history.

    `digest`: the original concerned; None: all originals of the book. `source`, `origin`: where it came from.
    `was`: the state that undo restores, as JSON; None: cannot be undone. `number`: set when it is stored.
    """

    at: int
    who: str
    act: Act
    identifier: Identifier
    digest: bytes | None = None
    source: str = ""
    origin: str | None = None
    note: str = ""
    was: str | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class SameBytes:
    """Why bytes shared by many books are refused, with the number of ISBNs and publishers at that time."""

    reason: str
    isbns: int
    publishers: int
