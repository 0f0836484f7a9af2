"""Ended sessions, in the database that holds the keys."""

from coverproxy.accounts.sql_rates import RunAsync, Wording

_FORGET = "DELETE FROM ended_session WHERE until <= ?"
_END = "INSERT INTO ended_session VALUES (?, ?) ON CONFLICT (nonce) DO UPDATE SET until = excluded.until"
_HAS_ENDED = "SELECT 1 FROM ended_session WHERE nonce = ?"


class SqlEndedSessions:
    """An EndedSessions. *read* and *write* run a statement."""

    def __init__(self, read: RunAsync, write: RunAsync, wording: Wording) -> None:
        self._read = read
        self._write = write
        self._forget, self._end, self._has_ended = map(wording.of, (_FORGET, _END, _HAS_ENDED))

    async def end(self, nonce: str, until: int, now: int) -> None:
        """See EndedSessions."""
        await self._write(self._forget, (now,))
        await self._write(self._end, (nonce, until))

    async def has_ended(self, nonce: str) -> bool:
        """See EndedSessions."""
        return bool(await self._read(self._has_ended, (nonce,)))
