"""SQLite files as tables to copy from and to."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from coverproxy.storage import sqlite_migrations
from coverproxy.storage.table_copy import NOT_COPIED, Row, Table, as_stored, as_text

_ONLY = "only"
"""The column that keeps a table at one row: 1 in each, and PostgreSQL's goes by another name."""


class SqliteTables:
    """A Tables over several files, which have their present schema. Raises sqlite3.Error."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._files = [sqlite_migrations.connect(path) for path in paths]
        for file in self._files:
            file.text_factory = lambda body: body.decode(errors="replace").replace("\0", "\ufffd")
        self._file_of = {name: file for file in self._files for name in sqlite_migrations.tables(file)}

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def tables(self) -> dict[str, Table]:
        """See Tables."""
        return {name: self._table(name) for name in sorted(self._file_of.keys() - NOT_COPIED)}

    def _table(self, name: str) -> Table:
        found = self._run(name, f"PRAGMA table_info({name})")
        key = sorted((row[5], row[1]) for row in found if row[5])
        columns = tuple(row[1] for row in found if row[1] != _ONLY)
        return Table(name, columns, tuple(each for _, each in key if each != _ONLY) or columns)

    def count(self, name: str) -> int:
        """See Tables."""
        return int(self._run(name, f"SELECT count(*) FROM {name}")[0][0])  # noqa: S608 - names of tables

    def rows(self, table: Table, after: Row | None, most: int) -> list[Row]:
        """See Tables."""
        columns, key = ", ".join(table.columns), ", ".join(table.key)
        values: Row = ()
        where = ""
        if after is not None:
            where = f"WHERE ({key}) > ({', '.join('?' for _ in after)})"
            values = as_stored(table.key, after)
        sql = f"SELECT {columns} FROM {table.name} {where} ORDER BY {key} LIMIT ?"  # noqa: S608 - likewise
        return [as_text(table.columns, row) for row in self._run(table.name, sql, (*values, most))]

    def write(self, table: Table, rows: Sequence[Row]) -> None:
        """See Tables. Triggers that would count what is entered are out of force meanwhile."""
        file = self._file_of[table.name]
        has_only = any(row[1] == _ONLY for row in self._run(table.name, f"PRAGMA table_info({table.name})"))
        columns = (*table.columns, _ONLY) if has_only else table.columns
        marks = ", ".join("?" for _ in columns)
        sql = f"INSERT OR IGNORE INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
        file.execute("BEGIN IMMEDIATE")
        with file:
            counting = _triggers(file, table.name) if table.name == "made_item" else []
            for name, _ in counting:
                file.execute(f"DROP TRIGGER {name}")
            stored = (as_stored(table.columns, row) for row in rows)
            file.executemany(sql, ((*row, 1) if has_only else row for row in stored))
            for _, made in counting:
                file.execute(made)

    def finish(self) -> None:
        """See Tables: SQLite goes by the highest number that there is."""

    def _run(self, name: str, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._file_of[name].execute(sql, values).fetchall()


def _triggers(file: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    sql = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
    return file.execute(sql, (table,)).fetchall()
