"""Protocol of the list of notices: what is to be told, to whom, and what became of it."""

from collections.abc import Sequence
from typing import Protocol

from coverproxy.domain.notice import Addressee, Delivery, Notice, Way

MOST_WAITING = 10_000
"""Deliveries that wait at most; beyond, nothing is added: somebody floods, or the mail server is gone."""

MOST_IN_DIGEST = 200


class NoticeStore(Protocol):
    """Notices by addressee, in the catalogue's database. Moments are in seconds since 1970."""

    def add(self, notice: Notice, to: Addressee, due: int) -> bool:
        """Have a notice told from *due* on; return whether it is new.

        One with the same `once` for the same addressee is not added again, whoever adds it.
        """
        ...

    def claim(self, way: Way, now: int, until: int) -> list[Delivery]:
        """Reserve what is to be sent next until a moment: one delivery, or one addressee's whole digest.

        Nobody else gets these meanwhile. MUST NOT run within writing().
        """
        ...

    def end(self, numbers: Sequence[int], at: int, fault: str = "") -> None:
        """Note that deliveries have arrived, or, with a *fault*, that they are given up."""
        ...

    def postpone(self, numbers: Sequence[int], until: int, fault: str) -> None:
        """Count a failure, and let nobody claim them before a moment."""
        ...

    def waiting(self) -> tuple[int, int, str]:
        """Return how many deliveries wait, how many of these have failed, and the latest fault."""
        ...

    def forget(self, ended_before: int) -> None:
        """Remove deliveries that ended before a moment: the same `once` could be told again."""
        ...

    def turn(self, name: str, state: str, usual: str = "") -> bool:
        """Note the state of something; return whether it was in another: to one only of all callers.

        *usual*: the state of what was never noted.
        """
        ...
