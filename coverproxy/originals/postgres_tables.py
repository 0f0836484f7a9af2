"""The catalogue's tables in PostgreSQL, within a transaction and outside one."""

from collections.abc import Iterable, Mapping

from coverproxy.domain.original import Original, best_first
from coverproxy.domain.spec import Identifier
from coverproxy.originals.original_row import COLUMNS, named, values
from coverproxy.originals.postgres_aliases import NAMES, PostgresAliases
from coverproxy.originals.postgres_changes import ChangeLog
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_dialect import marks, postgres_dialect
from coverproxy.originals.sql_purges import OF_ROW
from coverproxy.originals.sql_tables import SqlTables
from coverproxy.originals.stored_identifier import as_text
from coverproxy.storage.statement import Copy, Run, with_percent

_OF_ITEM = f"""
{NAMES} SELECT place, names.scheme, names.value, its.* FROM names CROSS JOIN LATERAL (
    SELECT {COLUMNS}, {OF_ROW} FROM original o
    WHERE o.scheme = names.scheme AND o.value = names.value OFFSET 0
) its
"""  # noqa: S608 - constants only. OFFSET 0: each name is looked up by the index, whatever is estimated
_PLAIN = f"scheme, value, {COLUMNS}".split(", ")[:-1]
_RENEWED = ", ".join(f"{each} = excluded.{each}" for each in COLUMNS.split(", "))
_ADD = (
    f"INSERT INTO original (scheme, value, {COLUMNS}) VALUES ({marks(_PLAIN)},"  # noqa: S608 - likewise
    " coalesce((SELECT ? || reason FROM quarantined WHERE digest = ?), ?))"
    f" ON CONFLICT (scheme, value, digest) DO UPDATE SET {_RENEWED}"
)
_COPY = f"COPY original (scheme, value, {COLUMNS}) FROM STDIN"
_HAS_OUTGROWN_ITS_PLANS = """
SELECT total.originals > 2 * greatest(reltuples, 0) + 1000 AND total.originals < 500000
FROM total, pg_class WHERE oid = 'original'::regclass
"""
"""Of a larger table no plan is wrong any more, and its sample could take longer than a statement may."""


class PostgresCatalogueTables(SqlTables):
    """See CatalogueTables. *read* and *write* run a statement, within one transaction or each in its own.

    *jot* writes what changes no answer, without the catalogue's lock. *copy* runs COPY with rows.
    """

    def __init__(
        self, read: Run, write: Run, jot: Run, copy: Copy, changes: ChangeLog, priority: Mapping[str, int]
    ) -> None:
        dialect = postgres_dialect(read, write)
        super().__init__(dialect, PostgresAliases(dialect), _ADD, priority, with_percent(jot))
        self._changes = changes
        self._copy = copy

    def of_item(self, identifier: Identifier) -> list[Original]:
        """See CatalogueTables. One statement, where names and each one's originals would be several."""
        rows = sorted(self._read(_OF_ITEM, as_text(identifier)), key=lambda row: row[:3])
        found = readable(rows, lambda row: named(self._item(row[1:3]), row[3:]))
        return best_first(found, self._priority) if len(found) > 1 else found

    def add_new(self, originals: Iterable[Original]) -> int:
        """See CatalogueTables. By COPY: nothing that is there can be in its way."""
        rows = ((*as_text(each.identifier), *values(each), each.fault) for each in originals)
        added = self._copy(_COPY, rows)
        if self._read(_HAS_OUTGROWN_ITS_PLANS)[0][0]:
            # Until autovacuum comes by, up to a minute later, the server takes the table for as small as it
            # was, and reads all of it for each batch: 370 µs of its CPU a row in place of 40.
            self._write("ANALYZE original")
        return added

    def mark_stale(self, identifier: Identifier) -> None:
        """See CatalogueTables. Every node removes its own derivatives, once it has read of it."""
        self._write("INSERT INTO change (scheme, value) VALUES (?, ?)", as_text(identifier))

    def stale(self, most: int) -> list[Identifier]:
        """See CatalogueTables: those whose derivatives this node has still to remove."""
        return readable(self._changes.waiting(self._read, most), self._item)

    def unmark_stale(self, identifiers: Iterable[Identifier]) -> None:
        """See CatalogueTables: this node has removed them."""
        self._changes.strike(self._read, [as_text(each) for each in identifiers])
