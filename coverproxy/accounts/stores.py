"""What a store of keys and counts promises; SQLite keeps it on one machine, PostgreSQL will on several."""

from collections.abc import Sequence
from datetime import date
from typing import Literal, Protocol

from coverproxy.domain.api_key import Key

SignupFull = Literal["day", "contact"]
"""Which limit on keys that visitors ask for is reached."""


class EndedSessions(Protocol):
    """Sessions that were ended before their time. Safe across tasks, processes and (PostgreSQL) nodes.

    Bounded by itself: only who was logged in can end a session, and each is forgotten once its time is over.
    """

    async def end(self, nonce: str, until: int, now: int) -> None:
        """Remember *until* then that the session *nonce* was ended. Times are seconds since 1970."""
        ...

    async def has_ended(self, nonce: str) -> bool:
        """Say whether the session was ended."""
        ...


class KeyStore(Protocol):
    """Keeps developer keys. Safe across tasks and processes."""

    @property
    def sessions(self) -> EndedSessions:
        """The sessions of administrators that were ended."""
        ...

    async def version(self) -> int:
        """Return a number that rises with every change of any key, by whatever process."""
        ...

    async def keys(self) -> list[Key]:
        """Return every key, revoked ones too, oldest first."""
        ...

    async def save(self, key: Key) -> None:
        """Write a key, new or changed, whole."""
        ...

    async def enter(
        self, key: str, contact: str, now: float, since: float, per_day: int, per_contact: int
    ) -> SignupFull | None:
        """Note that a visitor asks for a key, unless a limit is reached: then say which. Precedes save().

        At most *per_day* since the time *since*, and *per_contact* ever: one atomic step between processes.
        """
        ...

    async def leave(self, key: str) -> None:
        """Forget that a visitor asked for a key: it no longer counts against any limit."""
        ...

    async def secret(self, made: bytes) -> bytes:
        """Return the secret that all processes sign with: the first that was ever *made*."""
        ...


class QuotaStore(Protocol):
    """Counts covers made per key and day. Safe across tasks, processes and (PostgreSQL) nodes."""

    async def take(self, key: str, day: date, limit: int, item: str = "") -> int | None:
        """Count one cover if fewer than *limit* are counted: the count with it, or None where refused.

        With an *item*, the book that it is of, all covers of one book count once a day: further ones are let
        pass and count nothing, also where the limit is reached. At most *limit* items a day are remembered.
        One atomic step: of two callers racing for the last place, one gets it.
        """
        ...

    async def give_back(self, key: str, day: date, item: str = "") -> int:
        """Uncount one cover that was taken but not made; return the count. Never goes below zero.

        A book counts as long as one of its covers, taken with the same *item*, is not given back.
        """
        ...

    async def made(self, keys: Sequence[str], day: date) -> dict[str, int]:
        """Return the counts of a day, of those *keys* that have one."""
        ...

    async def history(self, key: str, since: date) -> dict[date, int]:
        """Return a key's counts from *since* on, of those days that have one."""
        ...

    async def made_by_all(self, day: date) -> int:
        """Return how many covers all keys made on a day."""
        ...


class RateLimiter(Protocol):
    """Lets so many pass a second. Safe across tasks, processes and (PostgreSQL) nodes.

    *scope* says what is limited ("login", "source"), *name* who or what it is limited for.
    """

    async def take(self, scope: str, name: str, now: float, rate: float, burst: int) -> float:
        """Let one more pass at *rate* a second after a *burst*: 0.0, or the seconds until one may.

        A token bucket as one time per name (GCRA, ITU-T I.371): one atomic step, exact between processes.
        *now*: seconds since 1970. When a clock that was ahead is set back, nobody waits more than one step.
        """
        ...

    async def give_back(self, scope: str, name: str, rate: float) -> None:
        """Undo one that was let pass, but got nothing."""
        ...
