"""Reports: what readers say is wrong with a cover, and what became of it."""

import secrets
from dataclasses import dataclass
from enum import StrEnum

from coverproxy.domain.spec import Identifier

MOST_REPORTERS = 20
"""Reporters of one report that are remembered: more say nothing new, and are counted as these."""

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Digits and letters that nobody confuses: neither 0 and O, nor 1 and I."""

_GROUPS, _IN_GROUP = 4, 4


class ReportReason(StrEnum):
    """What is wrong with a cover."""

    WRONG = "wrong"
    NOT_A_COVER = "not-a-cover"
    QUALITY = "quality"
    OFFENSIVE = "offensive"
    RIGHTS = "rights"


class ReportState(StrEnum):
    """What became of a report; open until an administrator decided."""

    OPEN = "open"
    FIXED = "fixed"
    HIDDEN = "hidden"
    KEPT = "kept"


DECIDED = (ReportState.FIXED, ReportState.HIDDEN, ReportState.KEPT)


@dataclass(frozen=True, slots=True)
class Reporter:
    """Somebody who reported: a pseudonym of the address, what was shown, and how to reach them.

    `at`: seconds since 1970. `digest`: the original that they saw. `mail`: "" if they left none.
    """

    pseudonym: str
    at: int
    digest: bytes
    mail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A report of one item for one reason; everybody who reports the same joins it.

    `number`: the store's, 0 before it is stored. `code`: what reporters see its state by. `text`: what the
    first reporter wrote. `digest`: the original that was shown last when it was reported.
    `closed`: seconds since 1970; None while it is open. `who` closed it, with `answer` as the note.
    """

    code: str
    at: int
    identifier: Identifier
    reason: ReportReason
    digest: bytes
    text: str = ""
    state: ReportState = ReportState.OPEN
    closed: int | None = None
    who: str = ""
    answer: str = ""
    reporters: tuple[Reporter, ...] = ()
    number: int = 0


def new_code() -> str:
    """Return a code that nobody guesses: 80 bits, in groups that people can read out."""
    letters = [secrets.choice(_LETTERS) for _ in range(_GROUPS * _IN_GROUP)]
    return "-".join("".join(letters[at : at + _IN_GROUP]) for at in range(0, len(letters), _IN_GROUP))


def read_code(text: str) -> str | None:
    """Return a code as new_code() writes it, from any case and with or without hyphens; None: not a code."""
    plain = text.upper().replace("-", "").replace(" ", "")
    if len(plain) != _GROUPS * _IN_GROUP or set(plain) - set(_LETTERS):
        return None
    return "-".join(plain[at : at + _IN_GROUP] for at in range(0, len(plain), _IN_GROUP))
