"""Protocol of the list of notices: which are to be sent, to which address, and with what result."""

from collections.abc import Sequence
from typing import Protocol

from coverproxy.domain.notice import Addressee, Delivery, Notice, Way

MOST_WAITING = 10_000
"""Most deliveries that wait. Beyond it none is added: somebody floods us, or the mail server is gone."""

MOST_IN_DIGEST = 200


class NoticeStore(Protocol):
    """Notices by addressee, in the catalogue's database. Moments are in seconds since 1970."""

    def add(self, notice: Notice, to: Addressee, due: int) -> bool:
        """Add a notice, to be sent from *due* on; return whether it is new.

        A second one with the same `once` for the same addressee is ignored, whichever process adds it.
        """
        ...

    def claim(self, way: Way, now: int, until: int) -> list[Delivery]:
        """Reserve the next delivery until a moment: one notice, or one addressee's whole digest.

        Nobody else gets these meanwhile. MUST NOT run within writing().
        """
        ...

    def end(self, numbers: Sequence[int], at: int, fault: str = "") -> None:
        """Note that deliveries have arrived, or, with a *fault*, that they are given up."""
        ...

    def postpone(self, numbers: Sequence[int], until: int, fault: str) -> None:
        """Count a failure, and allow no further claim before a moment."""
        ...

    def waiting(self) -> tuple[int, int, str]:
        """Return how many deliveries wait, how many of these have failed, and the latest fault."""
        ...

    def forget(self, ended_before: int) -> None:
        """Remove deliveries that ended before a moment; their `once` could then be sent again."""
        ...

    def turn(self, name: str, state: str, usual: str = "") -> bool:
        """Note the state of something; return whether it was in another: to one only of all callers.

        *usual*: the state of what was never noted.
        """
        ...
