"""What sources gave, in the catalogue's PostgreSQL tables."""

from typing import Any

from coverproxy.domain.spec import Identifier
from coverproxy.originals.postgres_rows import as_text, from_text
from coverproxy.originals.provenance import Provenance
from coverproxy.originals.sqlite_rows import readable
from coverproxy.storage.postgres_pool import Run

_COLUMNS = "scheme, value, source, digest, etag, modified, due, keep_until"

_PUT = f"""
INSERT INTO fetched ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (scheme, value, source) DO UPDATE SET digest = excluded.digest, etag = excluded.etag,
    modified = excluded.modified, due = excluded.due, keep_until = excluded.keep_until
"""  # noqa: S608 - constants only

_CLAIM = f"""
UPDATE fetched SET due = %s WHERE (scheme, value, source) IN (
    SELECT scheme, value, source FROM fetched WHERE due <= %s ORDER BY due LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only


class PostgresProvenance:
    """The table `fetched`; see ProvenanceStore. *read* and *write* run a statement."""

    def __init__(self, read: Run, write: Run) -> None:
        self._read = read
        self._write = write

    def put(self, row: Provenance) -> None:
        """See ProvenanceStore."""
        values = (*as_text(row.identifier), row.source, row.digest, row.etag, row.modified)
        self._write(_PUT, (*values, row.due, row.keep_until))

    def of(self, identifier: Identifier, source: str) -> Provenance | None:
        """See ProvenanceStore."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM fetched WHERE scheme = %s AND value = %s AND source = %s",  # noqa: S608
            (*as_text(identifier), source),
        )
        return _provenance(rows[0]) if rows else None

    def with_digest(self, digest: bytes, source: str, most: int) -> list[Provenance]:
        """See ProvenanceStore."""
        sql = f"SELECT {_COLUMNS} FROM fetched WHERE digest = %s AND source = %s LIMIT %s"  # noqa: S608
        return readable(self._read(sql, (digest, source, most)), _provenance)

    def claim(self, now: int, until: int, most: int) -> list[Provenance]:
        """See ProvenanceStore."""
        if not self._read("SELECT 1 FROM fetched WHERE due <= %s LIMIT 1", (now,)):
            return []  # as nearly always: then nobody has to wait for the lock of a write
        return readable(self._write(_CLAIM, (until, now, most)), _provenance)

    def outstayed(self, now: int, most: int) -> list[Provenance]:
        """See ProvenanceStore."""
        sql = f"SELECT {_COLUMNS} FROM fetched WHERE keep_until <= %s LIMIT %s"  # noqa: S608 - constants only
        return readable(self._read(sql, (now, most)), _provenance)

    def let_go(self, row: Provenance) -> None:
        """See ProvenanceStore."""
        sql = (
            "UPDATE fetched SET keep_until = NULL"
            " WHERE scheme = %s AND value = %s AND source = %s AND digest = %s AND keep_until = %s"
        )
        self._write(sql, (*as_text(row.identifier), row.source, row.digest, row.keep_until))

    def remove(self, row: Provenance) -> None:
        """See ProvenanceStore."""
        sql = "DELETE FROM fetched WHERE scheme = %s AND value = %s AND source = %s"
        self._write(sql, (*as_text(row.identifier), row.source))


def _provenance(row: tuple[Any, ...]) -> Provenance:
    scheme, value, *rest = row
    return Provenance(from_text(scheme, value), *rest)
