"""Protocols of the stores of keys and counts. SQLite serves one machine; PostgreSQL can serve several."""

from collections.abc import Sequence
from datetime import date
from typing import Literal, Protocol

from coverproxy.domain.api_key import Key

SignupFull = Literal["day", "contact"]
"""Which limit on self-service keys is reached."""


class EndedSessions(Protocol):
    """Sessions that were ended by logging out. Safe across tasks, processes and (PostgreSQL) nodes.

    Bounded: only a logged-in administrator can end a session, and each entry expires with its session.
    """

    async def end(self, nonce: str, until: int, now: int) -> None:
        """Remember *until* then that the session *nonce* was ended. Times are seconds since 1970."""
        ...

    async def has_ended(self, nonce: str) -> bool:
        """Return whether the session was ended."""
        ...


class KeyStore(Protocol):
    """Stores developer keys. Safe across tasks and processes."""

    @property
    def sessions(self) -> EndedSessions:
        """Sessions of administrators that were ended."""
        ...

    async def version(self) -> int:
        """Return a number that rises with every change of any key, by any process."""
        ...

    async def keys(self) -> list[Key]:
        """Return all keys, including revoked ones, oldest first."""
        ...

    async def save(self, key: Key) -> None:
        """Write a key, new or changed, completely."""
        ...

    async def enter(
        self, key: str, contact: str, now: float, since: float, per_day: int, per_contact: int
    ) -> SignupFull | None:
        """Record that a visitor requests a key, before save(); or return the limit that is reached.

        At most *per_day* since the time *since*, and *per_contact* ever: one atomic step across processes.
        """
        ...

    async def leave(self, key: str) -> None:
        """Forget a visitor's request: it no longer counts against any limit."""
        ...

    async def secret(self, made: bytes) -> bytes:
        """Return the secret that all processes sign with: the first *made* that was ever stored."""
        ...


class QuotaNow(Protocol):
    """A QuotaStore's take(), in the calling thread, which waits for a moment at most."""

    def take(self, key: str, day: date, limit: int, item: str = "") -> int | None:
        """See QuotaStore. Raises StoreUnavailable where others keep the store longer: nothing is counted."""
        ...


class QuotaStore(Protocol):
    """Counts covers made per key and day. Safe across tasks, processes and (PostgreSQL) nodes."""

    @property
    def now(self) -> QuotaNow | None:
        """What counts in the calling thread; None where a thread would wait for a server."""
        ...

    async def take(self, key: str, day: date, limit: int, item: str = "") -> int | None:
        """Count one cover if fewer than *limit* are counted: returns the new count, or None if refused.

        With an *item*, the book of the cover, all covers of one book count once a day: later ones pass for
        free, even when the limit is reached. At most *limit* items a day are remembered. One atomic step: of
        two callers racing for the last place, one gets it.
        """
        ...

    async def give_back(self, key: str, day: date, item: str = "") -> int:
        """Uncount one cover that was counted but not made; returns the count, at least zero.

        A book stays counted until all its covers, taken with the same *item*, are given back.
        """
        ...

    async def made(self, keys: Sequence[str], day: date) -> dict[str, int]:
        """Return the counts of a day, for those *keys* that have one."""
        ...

    async def history(self, key: str, since: date) -> dict[date, int]:
        """Return a key's counts from *since* on, for the days that have one."""
        ...

    async def made_by_all(self, day: date) -> int:
        """Return how many covers all keys together made on a day."""
        ...


class RateLimiter(Protocol):
    """Limits events to a rate. Safe across tasks, processes and (PostgreSQL) nodes.

    *scope* names what is limited ("login", "source"), *name* the client or object that it is limited for.
    """

    async def take(self, scope: str, name: str, now: float, rate: float, burst: int) -> float:
        """Allow one more event at *rate* per second after a *burst*: 0.0, or the seconds to wait.

        A token bucket stored as one time per name (GCRA, ITU-T I.371): one atomic step, exact across
        processes. *now*: seconds since 1970. If a clock that was ahead is set back, nobody waits more than
        one step.
        """
        ...

    async def give_back(self, scope: str, name: str, rate: float) -> None:
        """Return a token that bought nothing."""
        ...
