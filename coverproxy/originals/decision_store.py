"""Protocol of the decisions' store."""

from typing import Protocol

from coverproxy.domain.decisions import Decision, Deed
from coverproxy.domain.spec import Identifier


class DecisionStore(Protocol):
    """People's decisions about originals, and the history of each book."""

    def hide(self, identifier: Identifier | None, digest: bytes | None, decision: Decision) -> None:
        """Hide bytes. Without *identifier*: for any book. Without *digest*: any bytes."""
        ...

    def hidden(self, identifier: Identifier, digest: bytes) -> Decision | None:
        """Return the latest decision that hides these bytes of this book, by any of the three ways."""
        ...

    def hidden_book(self, identifier: Identifier) -> Decision | None:
        """Return the decision that hides everything for a book, or None."""
        ...

    def hidden_digests(self, identifier: Identifier) -> dict[bytes, Decision]:
        """Return the bytes that were hidden individually for this book."""
        ...

    def unhide(self, identifier: Identifier | None, digest: bytes | None) -> None:
        """Undo hide() with the same arguments; does nothing if there is no such decision."""
        ...

    def admit(self, digest: bytes, decision: Decision) -> None:
        """Admit bytes although many books have them, and lift their refusal.

        MUST run within writing().
        """
        ...

    def is_admitted(self, digest: bytes) -> bool:
        """Return whether a person admitted these bytes although many books have them."""
        ...

    def answered(self, key: str) -> tuple[bytes, str] | None:
        """Return (digest, answer) of the upload with this idempotency key within the last day, or None."""
        ...

    def note_answer(self, key: str, at: int, digest: bytes, answer: str) -> None:
        """Remember an upload's answer by its idempotency key for a day; forget older ones."""
        ...

    def log(self, deed: Deed) -> None:
        """Append an entry to a book's history; the store gives it a rising number."""
        ...

    def history(self, identifier: Identifier, most: int) -> list[Deed]:
        """Return at most *most* entries of a book's history, latest first."""
        ...

    def deed(self, number: int) -> Deed | None:
        """Return a history entry by its number, or None."""
        ...
