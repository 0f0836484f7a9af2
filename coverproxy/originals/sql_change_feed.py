"""The list of changes, in the catalogue's database; the statements are the same in SQLite and PostgreSQL."""

from typing import Any

from coverproxy.domain.shown_change import ChangeKind, ShownChange
from coverproxy.originals.change_feed import MOST_KEPT
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_dialect import Dialect

_ADD = "INSERT INTO shown_change (at, scheme, value, kind, digest) VALUES (?, ?, ?, ?, ?) RETURNING number"
_SINCE = (
    "SELECT at, scheme, value, kind, digest, number FROM shown_change"
    " WHERE number > ? ORDER BY number LIMIT ?"
)
_ENDS = "SELECT coalesce(min(number), 0), coalesce(max(number), 0) FROM shown_change"
_BEFORE = "SELECT coalesce(min(number) - 1, (SELECT coalesce(max(number), 0) FROM shown_change))"
_MOVE = (
    "INSERT INTO told (name, number) VALUES (?, ?) ON CONFLICT (name)"
    " DO UPDATE SET number = excluded.number, held = 0, failures = 0"
)
_BEGIN = (
    "INSERT INTO told (name, number) VALUES (?, (SELECT coalesce(max(number), 0) FROM shown_change))"
    " ON CONFLICT (name) DO NOTHING"
)
_WAITING = (
    "SELECT 1 FROM told WHERE name = ? AND held <= ?"
    " AND number <> (SELECT coalesce(max(number), 0) FROM shown_change)"
)
_CLAIM = "UPDATE told SET held = ? WHERE name = ? AND held <= ? RETURNING number, failures"


class SqlChangeFeed:
    """Tables `shown_change`, `told`; see ChangeFeed."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._read = dialect.read_rows
        self._write = dialect.write_rows

    def note(self, change: ShownChange, keep: int = MOST_KEPT) -> None:
        """See ChangeFeed."""
        values = (change.at, *self._dialect.stored(change.identifier), change.kind.value, change.digest)
        number = self._write(_ADD, values)[0][0]
        self._write("DELETE FROM shown_change WHERE number <= ?", (number - keep,))

    def since(self, number: int, most: int) -> list[ShownChange]:
        """See ChangeFeed."""
        return readable(self._read(_SINCE, (number, most)), self._change)

    def before(self, at: int) -> int:
        """See ChangeFeed."""
        return int(self._read(f"{_BEFORE} FROM shown_change WHERE at >= ?", (at,))[0][0])

    def ends(self) -> tuple[int, int]:
        """See ChangeFeed."""
        oldest, latest = self._read(_ENDS)[0]
        return int(oldest), int(latest)

    def cursor(self, name: str) -> int | None:
        """See ChangeFeed."""
        rows = self._read("SELECT number FROM told WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else None

    def move_cursor(self, name: str, number: int) -> None:
        """See ChangeFeed."""
        self._write(_MOVE, (name, number))

    def claim(self, name: str, now: int, until: int) -> tuple[int, int] | None:
        """See ChangeFeed. Writes nothing if there are no unsent changes."""
        if self.cursor(name) is None:
            self._write(_BEGIN, (name,))
        if not self._read(_WAITING, (name, now)):
            return None
        rows = self._write(_CLAIM, (until, name, now))
        return (int(rows[0][0]), int(rows[0][1])) if rows else None

    def postpone(self, name: str, until: int) -> None:
        """See ChangeFeed."""
        self._write("UPDATE told SET held = ?, failures = failures + 1 WHERE name = ?", (until, name))

    def _change(self, row: tuple[Any, ...]) -> ShownChange:
        at, scheme, value, kind, digest, number = row
        return ShownChange(at, self._dialect.read(scheme, value), ChangeKind(kind), digest, number)
