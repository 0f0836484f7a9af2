"""Purges, in the catalogue's database; the statements are the same in SQLite and PostgreSQL."""

from collections.abc import Iterable
from typing import Any

from coverproxy.domain.spec import Identifier
from coverproxy.originals.purge_store import AGAIN_SECONDS, PASSES, Purge
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_dialect import Dialect

OF_ROW = "(SELECT number FROM purged WHERE purged.scheme = o.scheme AND purged.value = o.value)"
"""How often the name of a row of `original`, called o, was purged."""

_NOTE = (
    "INSERT INTO purged (scheme, value, number, due, passes) VALUES (?, ?, 1, ?, ?)"
    " ON CONFLICT (scheme, value) DO UPDATE"
    " SET number = purged.number + 1, due = excluded.due, passes = excluded.passes"
)
_DUE = "SELECT scheme, value, number, passes FROM purged WHERE due <= ? ORDER BY due LIMIT ?"
_DONE = (
    "UPDATE purged SET due = ?, passes = passes - 1"
    " WHERE scheme = ? AND value = ? AND number = ? AND passes = ?"
)


class SqlPurges:
    """Table `purged`; see PurgeStore."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def note(self, identifiers: Iterable[Identifier], at: int) -> None:
        """See PurgeStore."""
        for each in identifiers:
            self._dialect.write_rows(_NOTE, (*self._dialect.stored(each), at, PASSES))

    def due(self, now: int, most: int) -> list[Purge]:
        """See PurgeStore."""
        return readable(self._dialect.read_rows(_DUE, (now, most)), self._purge)

    def done(self, purge: Purge, now: int) -> None:
        """See PurgeStore."""
        due = now + AGAIN_SECONDS if purge.passes > 1 else None
        place = self._dialect.stored(purge.identifier)
        self._dialect.write_rows(_DONE, (due, *place, purge.number, purge.passes))

    def _purge(self, row: tuple[Any, ...]) -> Purge:
        scheme, value, number, passes = row
        return Purge(self._dialect.read(scheme, value), number, passes)
