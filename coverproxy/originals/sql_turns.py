"""Turns, in the catalogue's database; the statements are the same in SQLite and PostgreSQL."""

from coverproxy.originals.sql_dialect import Dialect
from coverproxy.originals.turn_store import Turn

_BEGIN = "INSERT INTO turn (name, place, held, ended) VALUES (?, '', 0, 0) ON CONFLICT (name) DO NOTHING"
_CLAIM = "UPDATE turn SET held = ? WHERE name = ? AND held <= ? RETURNING place"
_RENEW = "UPDATE turn SET held = ?, place = ? WHERE name = ? AND held = ? RETURNING place"
_LET_GO = "UPDATE turn SET held = 0 WHERE name = ? AND held = ?"
_END = "UPDATE turn SET held = 0, place = '', ended = ? WHERE name = ? AND held = ?"


class SqlTurns:
    """Table `turn`; see TurnStore."""

    def __init__(self, dialect: Dialect) -> None:
        self._read = dialect.read_rows
        self._write = dialect.write_rows

    def claim(self, name: str, now: int, until: int) -> Turn | None:
        """See TurnStore."""
        if not self._read("SELECT 1 FROM turn WHERE name = ?", (name,)):
            self._write(_BEGIN, (name,))
        rows = self._write(_CLAIM, (until, name, now))
        return Turn(name, rows[0][0], until) if rows else None

    def renew(self, turn: Turn, place: str, until: int) -> Turn | None:
        """See TurnStore."""
        rows = self._write(_RENEW, (until, place, turn.name, turn.held))
        return Turn(turn.name, place, until) if rows else None

    def let_go(self, turn: Turn) -> None:
        """See TurnStore."""
        self._write(_LET_GO, (turn.name, turn.held))

    def end(self, turn: Turn, now: int) -> None:
        """See TurnStore."""
        self._write(_END, (now, turn.name, turn.held))

    def ended(self, name: str) -> int:
        """See TurnStore."""
        rows = self._read("SELECT ended FROM turn WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else 0
