"""What sources returned, in the catalogue's database; SQLite and PostgreSQL share the statements."""

from typing import Any

from coverproxy.domain.spec import Identifier
from coverproxy.originals.provenance import Provenance
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_dialect import Dialect, entering

_COLUMNS = "scheme, value, source, digest, etag, modified, due, keep_until"
_KEY = "scheme = ? AND value = ? AND source = ?"
_PUT = entering("fetched", _COLUMNS, "scheme, value, source")
_SELECT = f"SELECT {_COLUMNS} FROM fetched"  # noqa: S608 - constants only
# PostgreSQL guesses that a third of all rows are due, whatever is asked: without an order it would look for
# one in the table, and read all of it where none is. For the same reason a claim's limit is no parameter.
_IS_DUE = "SELECT 1 FROM fetched WHERE due <= ? ORDER BY due LIMIT 1"
_CLAIM = (
    "UPDATE fetched SET due = ? WHERE (scheme, value, source) IN"  # noqa: S608 - likewise
    " (SELECT scheme, value, source FROM fetched WHERE due <= ? ORDER BY due LIMIT {most} {skip_locked})"
    f" RETURNING {_COLUMNS}"
)


class SqlProvenance:
    """The table `fetched`; see ProvenanceStore."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._read = dialect.read_rows
        self._write = dialect.write_rows

    def put(self, row: Provenance) -> None:
        """See ProvenanceStore."""
        self._write(_PUT, (*self._place(row), row.digest, row.etag, row.modified, row.due, row.keep_until))

    def of(self, identifier: Identifier, source: str) -> Provenance | None:
        """See ProvenanceStore."""
        rows = self._read(f"{_SELECT} WHERE {_KEY}", (*self._dialect.stored(identifier), source))
        return self._provenance(rows[0]) if rows else None

    def with_digest(self, digest: bytes, source: str, most: int) -> list[Provenance]:
        """See ProvenanceStore."""
        rows = self._read(f"{_SELECT} WHERE digest = ? AND source = ? LIMIT ?", (digest, source, most))
        return readable(rows, self._provenance)

    def claim(self, now: int, until: int, most: int) -> list[Provenance]:
        """See ProvenanceStore."""
        if not self._read(_IS_DUE, (now,)):
            return []  # the usual case: no write lock needed
        claim = _CLAIM.format(most=int(most), skip_locked=self._dialect.skip_locked)
        return readable(self._write(claim, (until, now)), self._provenance)

    def outstayed(self, now: int, most: int) -> list[Provenance]:
        """See ProvenanceStore."""
        rows = self._read(f"{_SELECT} WHERE keep_until <= ? ORDER BY keep_until LIMIT ?", (now, most))
        return readable(rows, self._provenance)

    def let_go(self, row: Provenance) -> None:
        """See ProvenanceStore."""
        sql = f"UPDATE fetched SET keep_until = NULL WHERE {_KEY} AND digest = ? AND keep_until = ?"  # noqa: S608
        self._write(sql, (*self._place(row), row.digest, row.keep_until))

    def remove(self, row: Provenance) -> None:
        """See ProvenanceStore."""
        self._write(f"DELETE FROM fetched WHERE {_KEY}", self._place(row))  # noqa: S608 - constants only

    def _place(self, row: Provenance) -> tuple[int, int | str, str]:
        return (*self._dialect.stored(row.identifier), row.source)

    def _provenance(self, row: tuple[Any, ...]) -> Provenance:
        scheme, value, *rest = row
        return Provenance(self._dialect.read(scheme, value), *rest)
