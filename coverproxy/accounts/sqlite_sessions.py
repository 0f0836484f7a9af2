"""Ended sessions, in the SQLite file that holds the keys."""

from coverproxy.accounts.sqlite_rates import All


class SqliteEndedSessions:
    """An EndedSessions. *read* and *write* run a statement in the file that SqliteState has open."""

    def __init__(self, read: All, write: All) -> None:
        self._read = read
        self._write = write

    async def end(self, nonce: str, until: int, now: int) -> None:
        """See EndedSessions."""
        await self._write("DELETE FROM ended_session WHERE until <= ?", (now,))
        await self._write("INSERT OR REPLACE INTO ended_session VALUES (?, ?)", (nonce, until))

    async def has_ended(self, nonce: str) -> bool:
        """See EndedSessions."""
        return bool(await self._read("SELECT 1 FROM ended_session WHERE nonce = ?", (nonce,)))
