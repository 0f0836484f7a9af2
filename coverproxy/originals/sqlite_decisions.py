"""People's decisions about originals and the history, in the catalogue's SQLite file."""

from typing import Any

from coverproxy.domain.decisions import Act, Decision, Deed
from coverproxy.domain.spec import Identifier
from coverproxy.originals.sqlite_provenance import read_identifier, stored
from coverproxy.originals.sqlite_rows import readable
from coverproxy.storage.sqlite_file import Run

_HISTORY = "number, at, who, act, scheme, value, digest, source, origin, note, was"
_DAY_SECONDS = 86_400
_ALL = b""
"""The digest in a row of `hidden` that applies to all pictures of a book."""


class SqliteDecisions:
    """Tables `hidden`, `admitted`, `history`; see DecisionStore. *read* and *write* run a statement."""

    def __init__(self, read: Run, write: Run) -> None:
        self._read = read
        self._write = write

    def hide(self, identifier: Identifier | None, digest: bytes | None, decision: Decision) -> None:
        """See DecisionStore."""
        values = (*_place(identifier), digest or _ALL, decision.at, decision.who, decision.note)
        self._write("INSERT OR REPLACE INTO hidden VALUES (?, ?, ?, ?, ?, ?)", values)

    def hidden(self, identifier: Identifier, digest: bytes) -> Decision | None:
        """See DecisionStore."""
        sql = (
            "SELECT who, at, note FROM hidden WHERE (scheme = ? AND value = ? AND digest IN (?, x''))"
            " OR (scheme = 0 AND value = 0 AND digest = ?) ORDER BY at DESC LIMIT 1"
        )
        rows = self._read(sql, (*stored(identifier), digest, digest))
        return Decision(*rows[0]) if rows else None

    def hidden_book(self, identifier: Identifier) -> Decision | None:
        """See DecisionStore."""
        sql = "SELECT who, at, note FROM hidden WHERE scheme = ? AND value = ? AND digest = x''"
        rows = self._read(sql, stored(identifier))
        return Decision(*rows[0]) if rows else None

    def hidden_digests(self, identifier: Identifier) -> dict[bytes, Decision]:
        """See DecisionStore."""
        sql = "SELECT digest, who, at, note FROM hidden WHERE scheme = ? AND value = ? AND digest != x''"
        return {digest: Decision(*rest) for digest, *rest in self._read(sql, stored(identifier))}

    def unhide(self, identifier: Identifier | None, digest: bytes | None) -> None:
        """See DecisionStore."""
        sql = "DELETE FROM hidden WHERE scheme = ? AND value = ? AND digest = ?"
        self._write(sql, (*_place(identifier), digest or _ALL))

    def admit(self, digest: bytes, decision: Decision) -> None:
        """See DecisionStore."""
        self._write("DELETE FROM refused WHERE digest = ?", (digest,))
        values = (digest, decision.at, decision.who, decision.note)
        self._write("INSERT OR REPLACE INTO admitted VALUES (?, ?, ?, ?)", values)

    def is_admitted(self, digest: bytes) -> bool:
        """See DecisionStore."""
        return bool(self._read("SELECT 1 FROM admitted WHERE digest = ?", (digest,)))

    def answered(self, key: str) -> tuple[bytes, str] | None:
        """See DecisionStore."""
        rows = self._read("SELECT digest, answer FROM once WHERE key = ?", (key,))
        return (rows[0][0], rows[0][1]) if rows else None

    def note_answer(self, key: str, at: int, digest: bytes, answer: str) -> None:
        """See DecisionStore."""
        self._write("DELETE FROM once WHERE at < ?", (at - _DAY_SECONDS,))
        self._write("INSERT OR REPLACE INTO once VALUES (?, ?, ?, ?)", (key, at, digest, answer))

    def log(self, deed: Deed) -> None:
        """See DecisionStore."""
        values = (
            deed.at, deed.who, deed.act.value, *stored(deed.identifier), deed.digest, deed.source,
            deed.origin, deed.note, deed.was,
        )  # fmt: skip
        names = _HISTORY.removeprefix("number, ")
        self._write(f"INSERT INTO history ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608

    def history(self, identifier: Identifier, most: int) -> list[Deed]:
        """See DecisionStore."""
        sql = f"SELECT {_HISTORY} FROM history WHERE scheme = ? AND value = ? ORDER BY number DESC LIMIT ?"  # noqa: S608
        return readable(self._read(sql, (*stored(identifier), most)), _deed)

    def deed(self, number: int) -> Deed | None:
        """See DecisionStore."""
        rows = self._read(f"SELECT {_HISTORY} FROM history WHERE number = ?", (number,))  # noqa: S608
        return _deed(rows[0]) if rows else None


def _place(identifier: Identifier | None) -> tuple[int, int | str]:
    """The key columns of `hidden` for a book; None: for all books."""
    return stored(identifier) if identifier else (0, 0)


def _deed(row: tuple[Any, ...]) -> Deed:
    number, at, who, act, scheme, value, digest, source, origin, note, was = row
    book = read_identifier(scheme, value)
    return Deed(at, who, Act(act), book, digest, source, origin, note, was, number)
