"""What people decide of originals, and the record of what was done to a book's originals."""

from dataclasses import dataclass
from enum import StrEnum

from coverproxy.domain.spec import Identifier


class Act(StrEnum):
    """What was done to an original, or to all of a book's."""

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
    """What a person decided: who, when (seconds since 1970), and why in their words."""

    who: str
    at: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """A line of a book's history.

    `digest`: of which original; None: of all of the book's. `source`, `origin`: where that came from. `was`:
    what undoing restores, as JSON; None: it cannot be undone. `number`: its own, once it is in the history.
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
    """Why bytes are refused that many books have: for how many ISBNs and publishers they came then."""

    reason: str
    isbns: int
    publishers: int
