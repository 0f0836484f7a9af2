"""What sources gave, in the catalogue: validators, when to ask again, and how long an original may stay."""

from dataclasses import dataclass
from typing import Any

from coverproxy.domain.spec import Identifier
from coverproxy.originals.sqlite import Catalogue, read_identifier, stored

_COLUMNS = "scheme, value, source, digest, etag, modified, due, keep_until"

_CLAIM = f"""
UPDATE fetched SET due = ? WHERE (scheme, value, source) IN
    (SELECT scheme, value, source FROM fetched WHERE due <= ? ORDER BY due LIMIT ?)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an original came from. Times are seconds since 1970; None: never (due), or for good."""

    identifier: Identifier
    source: str
    digest: bytes
    etag: str | None = None
    modified: str | None = None
    due: int | None = None
    keep_until: int | None = None


class ProvenanceRows:
    """The table `fetched`. Blocks on the disk; as safe as the catalogue that it lies in."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._run = catalogue.execute

    def put(self, row: Provenance) -> None:
        """Write one, in place of what the same source gave for the same book before."""
        values = (*stored(row.identifier), row.source, row.digest, row.etag, row.modified)
        sql = f"INSERT OR REPLACE INTO fetched ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        self._run(sql, (*values, row.due, row.keep_until))

    def of(self, identifier: Identifier, source: str) -> Provenance | None:
        """Return what *source* gave for a book, or None."""
        rows = self._run(
            f"SELECT {_COLUMNS} FROM fetched WHERE scheme = ? AND value = ? AND source = ?",  # noqa: S608
            (*stored(identifier), source),
        )
        return _provenance(rows[0]) if rows else None

    def with_digest(self, digest: bytes, source: str, most: int) -> list[Provenance]:
        """Return at most *most* books for which *source* gave these bytes."""
        sql = f"SELECT {_COLUMNS} FROM fetched WHERE digest = ? AND source = ? LIMIT ?"  # noqa: S608
        return [_provenance(row) for row in self._run(sql, (digest, source, most))]

    def claim(self, now: int, until: int, most: int) -> list[Provenance]:
        """Return what is due for another look, and have it due at *until* for all others: one atomic step."""
        if not self._run("SELECT 1 FROM fetched WHERE due <= ? LIMIT 1", (now,)):
            return []  # as nearly always: then nobody has to wait for the lock of a write
        return [_provenance(row) for row in self._run(_CLAIM, (until, now, most))]

    def outstayed(self, now: int, most: int) -> list[Provenance]:
        """Return what may not be kept any longer."""
        sql = f"SELECT {_COLUMNS} FROM fetched WHERE keep_until <= ? LIMIT ?"  # noqa: S608 - constants only
        return [_provenance(row) for row in self._run(sql, (now, most))]

    def let_go(self, row: Provenance) -> None:
        """Note that an original is gone, unless its source has given another one meanwhile."""
        sql = (
            "UPDATE fetched SET keep_until = NULL"
            " WHERE scheme = ? AND value = ? AND source = ? AND digest = ? AND keep_until = ?"
        )
        self._run(sql, (*stored(row.identifier), row.source, row.digest, row.keep_until))

    def remove(self, row: Provenance) -> None:
        """Strike out one."""
        sql = "DELETE FROM fetched WHERE scheme = ? AND value = ? AND source = ?"
        self._run(sql, (*stored(row.identifier), row.source))


def _provenance(row: tuple[Any, ...]) -> Provenance:
    scheme, value, *rest = row
    return Provenance(read_identifier(scheme, value), *rest)
