"""The catalogue in one SQLite file: the originals of each identifier."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Identifier
from coverproxy.originals.original_row import COLUMNS
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_aliases import SqlAliases
from coverproxy.originals.sql_dialect import sqlite_dialect
from coverproxy.originals.sql_tables import SqlTables, WritesTogether
from coverproxy.originals.sqlite_mend import mend, schema_steps
from coverproxy.originals.stored_identifier import stored
from coverproxy.storage.sqlite_file import SqliteFile
from coverproxy.storage.sqlite_migrations import Lost
from coverproxy.storage.statement import Run

_CACHE_KIB = 16_384
"""Page cache of a connection: the upper pages of a large tree."""

_ADD = (
    f"INSERT OR REPLACE INTO original (scheme, value, {COLUMNS}) VALUES ({'?, ' * 23}"  # noqa: S608 - constants
    " coalesce((SELECT ? || reason FROM quarantined WHERE digest = ?), ?))"
)
"""Not an upsert: that is what the triggers of `original` count by; see schema-4.sql."""


class _Tables(SqlTables):
    """See CatalogueTables. *read* and *write* run a statement, within one transaction or each in its own."""

    def __init__(self, read: Run, write: Run, priority: Mapping[str, int]) -> None:
        dialect = sqlite_dialect(read, write)
        super().__init__(dialect, SqlAliases(dialect), _ADD, priority, jot=write)

    def add_new(self, originals: Iterable[Original]) -> int:
        """See CatalogueTables. There is no way that is quicker than one by one."""
        count = 0
        for each in originals:
            self.add(each)
            count += 1
        return count

    def mark_stale(self, identifier: Identifier) -> None:
        """See CatalogueTables."""
        self._write("INSERT OR IGNORE INTO stale VALUES (?, ?)", stored(identifier))

    def stale(self, most: int) -> list[Identifier]:
        """See CatalogueTables."""
        return readable(self._read("SELECT scheme, value FROM stale LIMIT ?", (most,)), self._item)

    def unmark_stale(self, identifiers: Iterable[Identifier]) -> None:
        """See CatalogueTables."""
        for identifier in identifiers:
            self._write("DELETE FROM stale WHERE scheme = ? AND value = ?", stored(identifier))


class SqliteCatalogue(WritesTogether, _Tables):
    """A Catalogue. Blocks on the disk; every method raises StoreUnavailable if that fails."""

    def __init__(self, path: Path, priority: Mapping[str, int], lost: Lost | None = None) -> None:
        self._file = SqliteFile(path, schema_steps, StoreUnavailable, _CACHE_KIB, mend, lost=lost)
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

    @property
    def tells_at_once(self) -> bool:
        """See Catalogue: SQLite's data_version is in memory that all processes share."""
        return True

    def change(self) -> int:
        """See Catalogue."""
        return self._file.change()

    def ping(self) -> None:
        """See Catalogue."""
        self._read("SELECT 1 FROM original LIMIT 1")

    def unmark_stale(self, identifiers: Iterable[Identifier]) -> None:
        """See CatalogueTables."""
        with self.writing() as tables:
            tables.unmark_stale(identifiers)
