"""Rate limits beside the keys: exact across all processes of a machine in SQLite, all nodes in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

_TAKE = """
INSERT INTO rate_limit (scope, name, due) VALUES (?, ?, ?)
ON CONFLICT (scope, name) DO UPDATE SET due = {greatest}(rate_limit.due, ?) + ?
WHERE {greatest}(rate_limit.due, ?) + ? - ? <= ?
RETURNING due
"""
_DUE = "SELECT due FROM rate_limit WHERE scope = ? AND name = ?"
_LOWER = "UPDATE rate_limit SET due = {least}(due, ?) WHERE scope = ? AND name = ?"
_GIVE_BACK = "UPDATE rate_limit SET due = due - ? WHERE scope = ? AND name = ?"
_SWEEP = "DELETE FROM rate_limit WHERE due < ?"

_SLACK = 1e-6
"""Seconds since 1970 as a float are exact to a quarter of a microsecond."""

_SWEEP_EVERY = 1024
"""Takes between sweeps, which forget idle addresses."""


class RunAsync(Protocol):
    """Runs a statement with its values to its end, and returns its rows."""

    async def __call__(self, sql: str, values: Sequence[Any] = (), /) -> list[tuple[Any, ...]]:
        """Run it."""
        ...


@dataclass(frozen=True, slots=True)
class Wording:
    """How a database marks a value, and calls the greatest and the least of two."""

    mark: str
    greatest: str
    least: str

    def of(self, sql: str) -> str:
        """Return a statement as this database writes it."""
        return sql.format(greatest=self.greatest, least=self.least).replace("?", self.mark)


SQLITE = Wording("?", "max", "min")
POSTGRES = Wording("%s", "greatest", "least")


class SqlRateLimiter:
    """A RateLimiter. *read* and *write* run a statement in the database that holds the keys."""

    def __init__(self, read: RunAsync, write: RunAsync, wording: Wording) -> None:
        self._read = read
        self._write = write
        self._taken = 0
        self._take, self._due, self._lower = map(wording.of, (_TAKE, _DUE, _LOWER))
        self._give_back, self._sweep = wording.of(_GIVE_BACK), wording.of(_SWEEP)

    async def take(self, scope: str, name: str, now: float, rate: float, burst: int) -> float:
        """See RateLimiter."""
        step = 1.0 / rate
        most = step * burst + _SLACK
        self._taken += 1
        if self._taken % _SWEEP_EVERY == 0:
            await self._write(self._sweep, (now,))
        if await self._write(self._take, (scope, name, now + step, now, step, now, step, now, most)):
            return 0.0
        rows = await self._read(self._due, (scope, name))
        due = float(rows[0][0]) if rows else now
        if due > now + most:  # the clock was set back or the rate raised: else the row would block forever
            due = now + step * burst
            await self._write(self._lower, (due, scope, name))
        return max(due + step - now - most, 0.001)

    async def give_back(self, scope: str, name: str, rate: float) -> None:
        """See RateLimiter."""
        await self._write(self._give_back, (1.0 / rate, scope, name))
