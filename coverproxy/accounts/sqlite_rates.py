"""Rate limits in the SQLite file that holds the keys, exact across all processes of a machine."""

from collections.abc import Awaitable, Callable
from typing import Any

_TAKE = """
INSERT INTO rate_limit (scope, name, due) VALUES (:scope, :name, :now + :step)
ON CONFLICT (scope, name) DO UPDATE SET due = max(due, :now) + :step
WHERE max(due, :now) + :step - :now <= :most
RETURNING due
"""

_SLACK = 1e-6
"""Seconds since 1970 as a float are exact to a quarter of a microsecond."""

_SWEEP_EVERY = 1024
"""Takes between sweeps, which forget idle addresses."""

All = Callable[..., Awaitable[list[tuple[Any, ...]]]]


class SqliteRateLimiter:
    """A RateLimiter. *read* and *write* run a statement in the file that SqliteState has open."""

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
            await self._write("DELETE FROM rate_limit WHERE due < ?", (now,))
        if await self._write(_TAKE, values):
            return 0.0
        rows = await self._read("SELECT due FROM rate_limit WHERE scope = ? AND name = ?", (scope, name))
        due = float(rows[0][0]) if rows else now
        if due > now + most:  # the clock was set back or the rate raised: else the row would block forever
            due = now + step * burst
            sql = "UPDATE rate_limit SET due = min(due, ?) WHERE scope = ? AND name = ?"
            await self._write(sql, (due, scope, name))
        return max(due + step - now - most, 0.001)

    async def give_back(self, scope: str, name: str, rate: float) -> None:
        """See RateLimiter."""
        sql = "UPDATE rate_limit SET due = due - ? WHERE scope = ? AND name = ?"
        await self._write(sql, (1.0 / rate, scope, name))
