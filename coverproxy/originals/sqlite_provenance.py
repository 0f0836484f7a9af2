"""What sources gave, in the catalogue's SQLite file."""

from typing import Any

from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.originals.provenance import Provenance
from coverproxy.storage.sqlite_file import Run

_SCHEMES = {ISBN: 1}

_COLUMNS = "scheme, value, source, digest, etag, modified, due, keep_until"

_CLAIM = f"""
UPDATE fetched SET due = ? WHERE (scheme, value, source) IN
    (SELECT scheme, value, source FROM fetched WHERE due <= ? ORDER BY due LIMIT ?)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only


class SqliteProvenance:
    """The table `fetched`; see ProvenanceStore. *read* and *write* run a statement."""

    def __init__(self, read: Run, write: Run) -> None:
        self._read = read
        self._write = write

    def put(self, row: Provenance) -> None:
        """See ProvenanceStore."""
        values = (*stored(row.identifier), row.source, row.digest, row.etag, row.modified)
        sql = f"INSERT OR REPLACE INTO fetched ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        self._write(sql, (*values, row.due, row.keep_until))

    def of(self, identifier: Identifier, source: str) -> Provenance | None:
        """See ProvenanceStore."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM fetched WHERE scheme = ? AND value = ? AND source = ?",  # noqa: S608
            (*stored(identifier), source),
        )
        return _provenance(rows[0]) if rows else None

    def with_digest(self, digest: bytes, source: str, most: int) -> list[Provenance]:
        """See ProvenanceStore."""
        sql = f"SELECT {_COLUMNS} FROM fetched WHERE digest = ? AND source = ? LIMIT ?"  # noqa: S608
        return [_provenance(row) for row in self._read(sql, (digest, source, most))]

    def claim(self, now: int, until: int, most: int) -> list[Provenance]:
        """See ProvenanceStore."""
        if not self._read("SELECT 1 FROM fetched WHERE due <= ? LIMIT 1", (now,)):
            return []  # as nearly always: then nobody has to wait for the lock of a write
        return [_provenance(row) for row in self._write(_CLAIM, (until, now, most))]

    def outstayed(self, now: int, most: int) -> list[Provenance]:
        """See ProvenanceStore."""
        sql = f"SELECT {_COLUMNS} FROM fetched WHERE keep_until <= ? LIMIT ?"  # noqa: S608 - constants only
        return [_provenance(row) for row in self._read(sql, (now, most))]

    def let_go(self, row: Provenance) -> None:
        """See ProvenanceStore."""
        sql = (
            "UPDATE fetched SET keep_until = NULL"
            " WHERE scheme = ? AND value = ? AND source = ? AND digest = ? AND keep_until = ?"
        )
        self._write(sql, (*stored(row.identifier), row.source, row.digest, row.keep_until))

    def remove(self, row: Provenance) -> None:
        """See ProvenanceStore."""
        sql = "DELETE FROM fetched WHERE scheme = ? AND value = ? AND source = ?"
        self._write(sql, (*stored(row.identifier), row.source))


def stored(identifier: Identifier) -> tuple[int, int | str]:
    """How the tables hold an identifier: (scheme, value)."""
    value = int(identifier.value) if identifier.scheme == ISBN else identifier.value
    return _SCHEMES[identifier.scheme], value


def read_identifier(scheme: int, value: int | str) -> Identifier:
    """The inverse of stored()."""
    name = next(name for name, number in _SCHEMES.items() if number == scheme)
    return Identifier(name, f"{value:013d}" if name == ISBN else str(value))


def _provenance(row: tuple[Any, ...]) -> Provenance:
    scheme, value, *rest = row
    return Provenance(read_identifier(scheme, value), *rest)
