"""The catalogue in one SQLite file: the originals of each identifier."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from coverproxy.domain.decisions import SameBytes
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.original import QUARANTINED, Original, OriginalState, Quarantined
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.preview import Preview
from coverproxy.originals.linked_tables import LinkedStores, LinkedTables, sample_points
from coverproxy.originals.sql_change_feed import SqlChangeFeed
from coverproxy.originals.sql_dialect import Dialect
from coverproxy.originals.sql_notices import SqlNotices
from coverproxy.originals.sql_purges import OF_ROW, SqlPurges
from coverproxy.originals.sql_reports import SqlReports
from coverproxy.originals.sqlite_aliases import SqliteAliases
from coverproxy.originals.sqlite_decisions import SqliteDecisions
from coverproxy.originals.sqlite_feeds import SqliteEditions, SqliteFeeds
from coverproxy.originals.sqlite_lists import SqliteLists
from coverproxy.originals.sqlite_mend import mend, schema_steps
from coverproxy.originals.sqlite_original_row import COLUMNS, any_original, named
from coverproxy.originals.sqlite_provenance import SqliteProvenance, read_identifier, stored
from coverproxy.originals.sqlite_rows import readable
from coverproxy.storage.sqlite_file import Run, SqliteFile

_CACHE_KIB = 16_384
"""Page cache of a connection: the upper pages of a large tree."""

_FIND = f"SELECT {COLUMNS}, {OF_ROW} FROM original o WHERE scheme = ? AND value = ?"  # noqa: S608 - constants only
_WITH_DIGEST = f"SELECT scheme, value, {COLUMNS} FROM original WHERE digest = ? LIMIT ?"  # noqa: S608 - likewise
_AFTER_DIGEST = "SELECT digest FROM original WHERE digest >= ? ORDER BY digest LIMIT ?"
_ADD = (
    f"INSERT OR REPLACE INTO original (scheme, value, {COLUMNS}) VALUES ({'?, ' * 23}"  # noqa: S608 - likewise
    " coalesce((SELECT ? || reason FROM quarantined WHERE digest = ?), ?))"
)
_FREE = "UPDATE original SET fault = NULL WHERE digest = ? AND (fault LIKE ? OR fault LIKE 'slow: %')"
_COVERED = (
    "SELECT DISTINCT value FROM original WHERE scheme = ? AND fault IS NULL AND state IS NULL"
    " AND value IN (SELECT value FROM json_each(?))"
)


def _item(row: tuple[Any, ...]) -> Identifier:
    return read_identifier(*row)


class _Tables(SqliteLists, LinkedTables):
    """See CatalogueTables. *read* and *write* run a statement, within one transaction or each in its own."""

    def __init__(self, read: Run, write: Run, priority: Mapping[str, int]) -> None:
        SqliteLists.__init__(self, read)
        dialect = Dialect(read, write, stored, read_identifier)
        stores = LinkedStores(
            SqliteProvenance(read, write), SqliteDecisions(read, write), SqliteFeeds(read, write),
            SqliteEditions(read, write), SqliteAliases(read, write), SqlReports(dialect),
            SqlChangeFeed(dialect), SqlPurges(dialect), SqlNotices(dialect),
        )  # fmt: skip
        LinkedTables.__init__(self, stores, priority)
        self._write = write

    def _of_name(self, identifier: Identifier) -> list[Original]:
        return readable(self._read(_FIND, stored(identifier)), partial(named, identifier))

    def _covered(self, identifiers: Iterable[Identifier]) -> set[Identifier]:
        """See LinkedTables.

        The values are passed as one JSON array: the number of parameters is limited, and the statement stays
        the same for any number of values.
        """
        by_scheme: dict[int, list[int | str]] = {}
        for identifier in identifiers:
            scheme, value = stored(identifier)
            by_scheme.setdefault(scheme, []).append(value)
        return {
            read_identifier(scheme, row[0])
            for scheme, values in by_scheme.items()
            for row in self._read(_COVERED, (scheme, json.dumps(values)))
        }

    def with_digest(self, digest: bytes, most: int) -> list[Original]:
        """See CatalogueTables."""
        return readable(self._read(_WITH_DIGEST, (digest, most)), any_original)

    def sample(self, most: int, turn: int = 0) -> list[Original]:
        """See CatalogueTables."""
        digests = [row[0] for row in self._read(_AFTER_DIGEST, (b"", most))]
        if len(digests) == most:
            points = sample_points(most, turn)
            digests = [row[0] for point in points for row in self._read(_AFTER_DIGEST, (point, 1))]
        return [each for digest in dict.fromkeys(digests) for each in self.with_digest(digest, most=1)]

    def add(self, original: Original) -> None:
        """See CatalogueTables."""
        plain = (
            original.digest, original.loader.value, original.width, original.height, original.bytes,
            original.date, original.source, original.path, original.added, original.origin, original.who,
            original.role, original.state, original.is_pinned, original.since, original.detail,
            original.terms.licence, original.terms.until, original.terms.no_crop, original.begins,
            original.content,
        )  # fmt: skip
        fault = (QUARANTINED, original.digest, original.fault)
        self._write(_ADD, (*stored(original.identifier), *plain, *fault))

    def remove(self, original: Original) -> None:
        """See CatalogueTables."""
        sql = "DELETE FROM original WHERE scheme = ? AND value = ? AND digest = ?"
        self._write(sql, (*stored(original.identifier), original.digest))

    def mark_faulty(self, original: Original, fault: str, judged: int = 0) -> None:
        """See CatalogueTables."""
        sql = "UPDATE original SET fault = ?, judged = ? WHERE scheme = ? AND value = ? AND digest = ?"
        self._write(sql, (fault, judged, *stored(original.identifier), original.digest))

    def clear_fault(self, original: Original) -> None:
        """See CatalogueTables."""
        sql = "UPDATE original SET fault = NULL WHERE scheme = ? AND value = ? AND digest = ?"
        self._write(sql, (*stored(original.identifier), original.digest))

    def decide(self, original: Original, state: OriginalState | None, *, is_pinned: bool) -> None:
        """See CatalogueTables."""
        sql = "UPDATE original SET state = ?, pinned = ? WHERE scheme = ? AND value = ? AND digest = ?"
        self._write(sql, (state, is_pinned, *stored(original.identifier), original.digest))

    def keep_measure(self, digest: bytes, detail: float, content: float) -> None:
        """See CatalogueTables."""
        self._write("UPDATE original SET detail = ?, content = ? WHERE digest = ?", (detail, content, digest))

    def mark_unmeasured(self, identifier: Identifier) -> None:
        """See CatalogueTables."""
        self._write("INSERT OR IGNORE INTO unmeasured VALUES (?, ?)", stored(identifier))

    def unmeasured(self, most: int) -> list[Identifier]:
        """See CatalogueTables."""
        return readable(self._read("SELECT scheme, value FROM unmeasured LIMIT ?", (most,)), _item)

    def unmark_unmeasured(self, identifier: Identifier) -> None:
        """See CatalogueTables."""
        self._write("DELETE FROM unmeasured WHERE scheme = ? AND value = ?", stored(identifier))

    def set_since(self, original: Original, since: int) -> None:
        """See CatalogueTables."""
        sql = "UPDATE original SET since = ? WHERE scheme = ? AND value = ? AND digest = ?"
        self._write(sql, (since, *stored(original.identifier), original.digest))

    def last_shown(self, identifier: Identifier) -> tuple[bytes, int] | None:
        """See CatalogueTables."""
        rows = self._read(
            "SELECT digest, mtime FROM last_shown WHERE scheme = ? AND value = ?", stored(identifier)
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def note_last_shown(self, identifier: Identifier, digest: bytes, mtime: int) -> None:
        """See CatalogueTables."""
        values = (*stored(identifier), digest, mtime)
        self._write("INSERT OR REPLACE INTO last_shown VALUES (?, ?, ?, ?)", values)

    def quarantined_for(self, digest: bytes) -> str | None:
        """See CatalogueTables."""
        rows = self._read("SELECT reason FROM quarantined WHERE digest = ?", (digest,))
        return next((reason for (reason,) in rows), None)

    def quarantine(self, digest: bytes, reason: str, at: int) -> None:
        """See CatalogueTables."""
        self._write("INSERT OR REPLACE INTO quarantined VALUES (?, ?, ?)", (digest, reason, at))
        self._write("UPDATE original SET fault = ? WHERE digest = ?", (QUARANTINED + reason, digest))

    def quarantined(self) -> list[Quarantined]:
        """See CatalogueTables."""
        rows = self._read("SELECT * FROM quarantined ORDER BY at DESC, digest")
        return [
            Quarantined(digest, reason, at, tuple(self.with_digest(digest, most=1000)))
            for digest, reason, at in rows
        ]

    def release(self, digest: bytes) -> list[Original]:
        """See CatalogueTables."""
        held = [each for each in self.with_digest(digest, most=1000) if each.is_held]
        self._write("DELETE FROM quarantined WHERE digest = ?", (digest,))
        self._write(_FREE, (digest, QUARANTINED + "%"))
        for each in held:
            self.mark_stale(each.identifier)
        return held

    def mark_stale(self, identifier: Identifier) -> None:
        """See CatalogueTables."""
        self._write("INSERT OR IGNORE INTO stale VALUES (?, ?)", stored(identifier))

    def stale(self, most: int) -> list[Identifier]:
        """See CatalogueTables."""
        return readable(self._read("SELECT scheme, value FROM stale LIMIT ?", (most,)), _item)

    def unmark_stale(self, identifiers: Iterable[Identifier]) -> None:
        """See CatalogueTables."""
        for identifier in identifiers:
            self._write("DELETE FROM stale WHERE scheme = ? AND value = ?", stored(identifier))

    def refuse(self, digest: bytes, refused: SameBytes) -> None:
        """See CatalogueTables."""
        values = (digest, refused.reason, refused.isbns, refused.publishers)
        self._write("INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?)", values)

    def refusal(self, digest: bytes) -> SameBytes | None:
        """See CatalogueTables."""
        rows = self._read("SELECT reason, isbns, publishers FROM refused WHERE digest = ?", (digest,))
        return SameBytes(*rows[0]) if rows else None

    def look(self, digest: bytes) -> Preview | None:
        """See CatalogueTables."""
        rows = self._read("SELECT colour, thumbhash FROM look WHERE digest = ?", (digest,))
        return Preview(*rows[0]) if rows else None

    def keep_look(self, digest: bytes, look: Preview) -> None:
        """See CatalogueTables."""
        self._write("INSERT OR REPLACE INTO look VALUES (?, ?, ?)", (digest, look.colour, look.thumbhash))

    def counts(self) -> tuple[int, int]:
        """See CatalogueTables."""
        identifiers = "(SELECT DISTINCT scheme, value FROM original)"
        sql = f"SELECT (SELECT count(*) FROM {identifiers}), count(*) FROM original"  # noqa: S608
        isbns, originals = self._read(sql)[0]
        return isbns, originals

    def totals(self) -> tuple[int, int]:
        """See CatalogueTables."""
        originals, isbns = self._read("SELECT originals, isbns FROM total")[0]
        return originals, isbns

    def sources(self) -> list[tuple[str, int]]:
        """See CatalogueTables."""
        sql = "SELECT source, originals FROM by_source WHERE originals > 0 ORDER BY originals DESC LIMIT 100"
        return [(source, count) for source, count in self._read(sql)]


class SqliteCatalogue(_Tables):
    """A Catalogue. Blocks on the disk; every method raises StoreUnavailable if that fails."""

    def __init__(self, path: Path, priority: Mapping[str, int]) -> None:
        self._file = SqliteFile(path, schema_steps, StoreUnavailable, _CACHE_KIB, mend)
        super().__init__(self._file.read, self._file.write, priority)

    def open(self) -> None:
        """See Catalogue."""
        self._file.open()

    @property
    def is_shut(self) -> bool:
        """Whether open() must succeed before anything else can."""
        return self._file.is_shut

    @property
    def damage(self) -> str:
        """See SqliteFile."""
        return self._file.damage

    def open_to_read(self) -> None:
        """Open it as it is, even if this user may only read it. Raises StoreUnavailable."""
        self._file.open_to_read()

    def close(self) -> None:
        """See Catalogue."""
        self._file.close()

    @contextmanager
    def writing(self) -> Iterator[_Tables]:
        """See Catalogue."""
        with self._file.transaction() as run:
            yield _Tables(run, run, self._priority)

    def change(self) -> int:
        """See Catalogue."""
        return self._file.change()

    def ping(self) -> None:
        """See Catalogue."""
        self._read("SELECT 1 FROM original LIMIT 1")

    def quarantine(self, digest: bytes, reason: str, at: int) -> None:
        """See CatalogueTables."""
        with self.writing() as tables:
            tables.quarantine(digest, reason, at)

    def release(self, digest: bytes) -> list[Original]:
        """See CatalogueTables."""
        with self.writing() as tables:
            return tables.release(digest)

    def unmark_stale(self, identifiers: Iterable[Identifier]) -> None:
        """See CatalogueTables."""
        with self.writing() as tables:
            tables.unmark_stale(identifiers)
