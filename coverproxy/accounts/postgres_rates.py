"""Rate limits and ended sessions in PostgreSQL, exact between all nodes."""

from coverproxy.accounts.sqlite_rates import All

_TAKE = """
INSERT INTO rate_limit (scope, name, due) VALUES (%(scope)s, %(name)s, %(now)s::float8 + %(step)s::float8)
ON CONFLICT (scope, name) DO UPDATE SET due = greatest(rate_limit.due, %(now)s) + %(step)s
WHERE greatest(rate_limit.due, %(now)s) + %(step)s - %(now)s <= %(most)s
RETURNING due
"""

_SLACK = 1e-6
"""Seconds since 1970 as a float are good to a quarter of a microsecond."""

_SWEEP_EVERY = 1024
"""Takes between sweeps: an address that came once is forgotten."""


class PostgresRateLimiter:
    """A RateLimiter. *read* and *write* run a statement of the database that PostgresState has open."""

    def __init__(self, read: All, write: All) -> None:
        self._read = read
        self._write = write
        self._taken = 0

    async def take(self, scope: str, name: str, now: float, rate: float, burst: int) -> float:
        """See RateLimiter."""
        step = 1.0 / rate
        most = step * burst + _SLACK
        values = {"scope": scope, "name": name, "now": now, "step": step, "most": most}
        self._taken += 1
        if self._taken % _SWEEP_EVERY == 0:
            await self._write("DELETE FROM rate_limit WHERE due < %s", (now,))
        if await self._write(_TAKE, values):
            return 0.0
        rows = await self._read("SELECT due FROM rate_limit WHERE scope = %s AND name = %s", (scope, name))
        due = float(rows[0][0]) if rows else now
        if due > now + most:  # the clock was set back since, or the rate raised: that row would hold for ever
            due = now + step * burst
            sql = "UPDATE rate_limit SET due = least(due, %s) WHERE scope = %s AND name = %s"
            await self._write(sql, (due, scope, name))
        return max(due + step - now - most, 0.001)

    async def give_back(self, scope: str, name: str, rate: float) -> None:
        """See RateLimiter."""
        sql = "UPDATE rate_limit SET due = due - %s WHERE scope = %s AND name = %s"
        await self._write(sql, (1.0 / rate, scope, name))


class PostgresEndedSessions:
    """An EndedSessions. *read* and *write* run a statement of the database that PostgresState has open."""

    def __init__(self, read: All, write: All) -> None:
        self._read = read
        self._write = write

    async def end(self, nonce: str, until: int, now: int) -> None:
        """See EndedSessions."""
        await self._write("DELETE FROM ended_session WHERE until <= %s", (now,))
        sql = (
            "INSERT INTO ended_session VALUES (%s, %s)"
            " ON CONFLICT (nonce) DO UPDATE SET until = excluded.until"
        )
        await self._write(sql, (nonce, until))

    async def has_ended(self, nonce: str) -> bool:
        """See EndedSessions."""
        return bool(await self._read("SELECT 1 FROM ended_session WHERE nonce = %s", (nonce,)))
