"""People's decisions, and the history; the statements are the same in SQLite and PostgreSQL."""

from typing import Any

from coverproxy.domain.decisions import Act, Decision, Deed
from coverproxy.domain.spec import Identifier
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_dialect import Dialect, entering, marks

_HISTORY = "number, at, who, act, scheme, value, digest, source, origin, note, was"
_LOGGED = _HISTORY.removeprefix("number, ")
_DAY_SECONDS = 86_400
_ALL = b""
"""The digest in a row of `hidden` that applies to all pictures of a book."""

_HIDE = entering("hidden", "scheme, value, digest, at, who, note", "scheme, value, digest")
_HIDDEN = (
    "SELECT who, at, note FROM hidden WHERE (scheme = ? AND value = ? AND digest IN (?, ?))"
    " OR (scheme = ? AND value = ? AND digest = ?) ORDER BY at DESC LIMIT 1"
)
_OF_BOOK = "FROM hidden WHERE scheme = ? AND value = ? AND digest"
_ADMIT = entering("admitted", "digest, at, who, note", "digest")
_ANSWER = entering("once", "key, at, digest, answer", "key")
_LOG = f"INSERT INTO history ({_LOGGED}) VALUES ({marks(_LOGGED.split(', '))})"  # noqa: S608 - constants only
_DEED = f"SELECT {_HISTORY} FROM history"  # noqa: S608 - likewise


class SqlDecisions:
    """Tables `hidden`, `admitted`, `once`, `history`; see DecisionStore."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._read = dialect.read_rows
        self._write = dialect.write_rows

    def hide(self, identifier: Identifier | None, digest: bytes | None, decision: Decision) -> None:
        """See DecisionStore."""
        values = (*self._place(identifier), digest or _ALL, decision.at, decision.who, decision.note)
        self._write(_HIDE, values)

    def hidden(self, identifier: Identifier, digest: bytes) -> Decision | None:
        """See DecisionStore."""
        values = (*self._place(identifier), digest, _ALL, *self._place(None), digest)
        rows = self._read(_HIDDEN, values)
        return Decision(*rows[0]) if rows else None

    def hidden_book(self, identifier: Identifier) -> Decision | None:
        """See DecisionStore."""
        rows = self._read(f"SELECT who, at, note {_OF_BOOK} = ?", (*self._place(identifier), _ALL))
        return Decision(*rows[0]) if rows else None

    def hidden_digests(self, identifier: Identifier) -> dict[bytes, Decision]:
        """See DecisionStore."""
        rows = self._read(f"SELECT digest, who, at, note {_OF_BOOK} <> ?", (*self._place(identifier), _ALL))
        return {digest: Decision(*rest) for digest, *rest in rows}

    def unhide(self, identifier: Identifier | None, digest: bytes | None) -> None:
        """See DecisionStore."""
        self._write(f"DELETE {_OF_BOOK} = ?", (*self._place(identifier), digest or _ALL))

    def admit(self, digest: bytes, decision: Decision) -> None:
        """See DecisionStore."""
        self._write("DELETE FROM refused WHERE digest = ?", (digest,))
        self._write(_ADMIT, (digest, decision.at, decision.who, decision.note))

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
        self._write(_ANSWER, (key, at, digest, answer))

    def log(self, deed: Deed) -> None:
        """See DecisionStore."""
        values = (
            deed.at, deed.who, deed.act.value, *self._place(deed.identifier), deed.digest, deed.source,
            deed.origin, deed.note, deed.was,
        )  # fmt: skip
        self._write(_LOG, values)

    def history(self, identifier: Identifier, most: int) -> list[Deed]:
        """See DecisionStore."""
        sql = f"{_DEED} WHERE scheme = ? AND value = ? ORDER BY number DESC LIMIT ?"
        return readable(self._read(sql, (*self._place(identifier), most)), self._deed)

    def deed(self, number: int) -> Deed | None:
        """See DecisionStore."""
        rows = self._read(f"{_DEED} WHERE number = ?", (number,))
        return self._deed(rows[0]) if rows else None

    def _place(self, identifier: Identifier | None) -> tuple[int, int | str]:
        """Return the columns of a book; None: of all books."""
        return self._dialect.stored(identifier) if identifier else self._dialect.every_book

    def _deed(self, row: tuple[Any, ...]) -> Deed:
        number, at, who, act, scheme, value, digest, source, origin, note, was = row
        book = self._dialect.read(scheme, value)
        return Deed(at, who, Act(act), book, digest, source, origin, note, was, number)
