"""What people decided of originals, and what became of them, in the catalogue's PostgreSQL tables."""

from typing import Any

from coverproxy.domain.decisions import Act, Decision, Deed
from coverproxy.domain.spec import Identifier
from coverproxy.originals.postgres_rows import as_text, from_text
from coverproxy.originals.sqlite_rows import readable
from coverproxy.storage.postgres_pool import Run

_HISTORY = "number, at, who, act, scheme, value, digest, source, origin, note, was"
_DAY_SECONDS = 86_400
_ALL = b""
"""The digest of a row of `hidden` that stands for all of a book's pictures."""

_HIDE = """
INSERT INTO hidden VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (scheme, value, digest) DO UPDATE SET at = excluded.at, who = excluded.who, note = excluded.note
"""
_ADMIT = """
INSERT INTO admitted VALUES (%s, %s, %s, %s)
ON CONFLICT (digest) DO UPDATE SET at = excluded.at, who = excluded.who, note = excluded.note
"""
_ANSWER = """
INSERT INTO once VALUES (%s, %s, %s, %s)
ON CONFLICT (key) DO UPDATE SET at = excluded.at, digest = excluded.digest, answer = excluded.answer
"""


class PostgresDecisions:
    """Tables `hidden`, `admitted`, `history`; see DecisionStore. *read* and *write* run a statement."""

    def __init__(self, read: Run, write: Run) -> None:
        self._read = read
        self._write = write

    def hide(self, identifier: Identifier | None, digest: bytes | None, decision: Decision) -> None:
        """See DecisionStore."""
        values = (*_place(identifier), digest or _ALL, decision.at, decision.who, decision.note)
        self._write(_HIDE, values)

    def hidden(self, identifier: Identifier, digest: bytes) -> Decision | None:
        """See DecisionStore."""
        sql = (
            "SELECT who, at, note FROM hidden WHERE (scheme = %s AND value = %s AND digest IN (%s, ''))"
            " OR (scheme = 0 AND value = '0' AND digest = %s) ORDER BY at DESC LIMIT 1"
        )
        rows = self._read(sql, (*as_text(identifier), digest, digest))
        return Decision(*rows[0]) if rows else None

    def hidden_book(self, identifier: Identifier) -> Decision | None:
        """See DecisionStore."""
        sql = "SELECT who, at, note FROM hidden WHERE scheme = %s AND value = %s AND digest = ''"
        rows = self._read(sql, as_text(identifier))
        return Decision(*rows[0]) if rows else None

    def hidden_digests(self, identifier: Identifier) -> dict[bytes, Decision]:
        """See DecisionStore."""
        sql = "SELECT digest, who, at, note FROM hidden WHERE scheme = %s AND value = %s AND digest <> ''"
        return {digest: Decision(*rest) for digest, *rest in self._read(sql, as_text(identifier))}

    def unhide(self, identifier: Identifier | None, digest: bytes | None) -> None:
        """See DecisionStore."""
        sql = "DELETE FROM hidden WHERE scheme = %s AND value = %s AND digest = %s"
        self._write(sql, (*_place(identifier), digest or _ALL))

    def admit(self, digest: bytes, decision: Decision) -> None:
        """See DecisionStore."""
        self._write("DELETE FROM refused WHERE digest = %s", (digest,))
        self._write(_ADMIT, (digest, decision.at, decision.who, decision.note))

    def is_admitted(self, digest: bytes) -> bool:
        """See DecisionStore."""
        return bool(self._read("SELECT 1 FROM admitted WHERE digest = %s", (digest,)))

    def answered(self, key: str) -> tuple[bytes, str] | None:
        """See DecisionStore."""
        rows = self._read("SELECT digest, answer FROM once WHERE key = %s", (key,))
        return (rows[0][0], rows[0][1]) if rows else None

    def note_answer(self, key: str, at: int, digest: bytes, answer: str) -> None:
        """See DecisionStore."""
        self._write("DELETE FROM once WHERE at < %s", (at - _DAY_SECONDS,))
        self._write(_ANSWER, (key, at, digest, answer))

    def log(self, deed: Deed) -> None:
        """See DecisionStore."""
        values = (
            deed.at, deed.who, deed.act.value, *as_text(deed.identifier), deed.digest, deed.source,
            deed.origin, deed.note, deed.was,
        )  # fmt: skip
        names = _HISTORY.removeprefix("number, ")
        sql = f"INSERT INTO history ({names}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
        self._write(sql, values)

    def history(self, identifier: Identifier, most: int) -> list[Deed]:
        """See DecisionStore."""
        sql = f"SELECT {_HISTORY} FROM history WHERE scheme = %s AND value = %s ORDER BY number DESC LIMIT %s"  # noqa: S608
        return readable(self._read(sql, (*as_text(identifier), most)), _deed)

    def deed(self, number: int) -> Deed | None:
        """See DecisionStore."""
        rows = self._read(f"SELECT {_HISTORY} FROM history WHERE number = %s", (number,))  # noqa: S608
        return _deed(rows[0]) if rows else None


def _place(identifier: Identifier | None) -> tuple[int, str]:
    """How `hidden` says of which book a row is; None: of all of them."""
    return as_text(identifier) if identifier else (0, "0")


def _deed(row: tuple[Any, ...]) -> Deed:
    number, at, who, act, scheme, value, digest, source, origin, note, was = row
    return Deed(at, who, Act(act), from_text(scheme, value), digest, source, origin, note, was, number)
