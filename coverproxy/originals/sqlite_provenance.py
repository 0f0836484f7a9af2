"""What sources returned, in the catalogue's SQLite file."""

from typing import Any

from coverproxy.domain.schemes import LOCAL
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.originals.provenance import Provenance
from coverproxy.originals.sqlite_rows import readable
from coverproxy.storage.sqlite_file import Run

_SCHEMES = {
    ISBN: 1, "ean": 2, "issn": 3, "ismn": 4, "oclc": 5, "lccn": 6, "olid": 7, "asin": 8, "ppn": 9, "doi": 10,
    "isni": 11, "viaf": 12, "wikidata": 13,
}  # fmt: skip
"""The number of each scheme in the tables. MUST never change."""

_NAMES = {number: name for name, number in _SCHEMES.items()}

_LOCAL_NUMBER = 100
"""The number of all `local:{agency}`; their value begins with the agency and a colon."""

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
        return readable(self._read(sql, (digest, source, most)), _provenance)

    def claim(self, now: int, until: int, most: int) -> list[Provenance]:
        """See ProvenanceStore."""
        if not self._read("SELECT 1 FROM fetched WHERE due <= ? LIMIT 1", (now,)):
            return []  # the usual case: no write lock needed
        return readable(self._write(_CLAIM, (until, now, most)), _provenance)

    def outstayed(self, now: int, most: int) -> list[Provenance]:
        """See ProvenanceStore."""
        sql = f"SELECT {_COLUMNS} FROM fetched WHERE keep_until <= ? LIMIT ?"  # noqa: S608 - constants only
        return readable(self._read(sql, (now, most)), _provenance)

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
    """Return (scheme, value) of an identifier as the tables store them."""
    if identifier.scheme == ISBN:
        return _SCHEMES[ISBN], int(identifier.value)
    if identifier.scheme.startswith(LOCAL):
        return _LOCAL_NUMBER, f"{identifier.scheme[len(LOCAL) :]}:{identifier.value}"
    return _SCHEMES[identifier.scheme], identifier.value


def read_identifier(scheme: int, value: int | str) -> Identifier:
    """Inverse of stored()."""
    if scheme == _LOCAL_NUMBER:
        agency, _, own = str(value).partition(":")
        return Identifier(f"{LOCAL}{agency}", own)
    name = _NAMES[scheme]
    return Identifier(name, f"{value:013d}" if name == ISBN else str(value))


def _provenance(row: tuple[Any, ...]) -> Provenance:
    scheme, value, *rest = row
    return Provenance(read_identifier(scheme, value), *rest)
