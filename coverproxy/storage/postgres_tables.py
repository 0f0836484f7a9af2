"""A PostgreSQL database as tables to copy from and to."""

from collections.abc import Sequence
from typing import Any

from coverproxy.storage.postgres_pool import PostgresPool, marks, run
from coverproxy.storage.table_copy import NOT_COPIED, Row, Table

_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL), coalesce(array_position(i.indkey, a.attnum), -1),
    a.attidentity <> ''
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname, a.attnum
"""
_ONLY = "only_row"


class PostgresTables:
    """A Tables over one database, which has its present schema. Raises the pool's fault."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool
        self._types: dict[str, dict[str, str]] = {}
        self._numbered: dict[str, str] = {}
        keys: dict[str, list[tuple[int, str]]] = {}
        for table, column, kind, place, is_numbered in pool.read(_COLUMNS):
            if column == _ONLY:
                continue
            self._types.setdefault(table, {})[column] = kind
            if place >= 0:
                keys.setdefault(table, []).append((place, column))
            if is_numbered:
                self._numbered[table] = column
        self._keys = {table: tuple(name for _, name in sorted(found)) for table, found in keys.items()}

    def tables(self) -> dict[str, Table]:
        """See Tables."""
        return {
            name: Table(name, tuple(types), self._keys.get(name) or tuple(types))
            for name, types in self._types.items()
            if name not in NOT_COPIED
        }

    def count(self, name: str) -> int:
        """See Tables."""
        return int(self._pool.read(f"SELECT count(*) FROM {name}")[0][0])  # noqa: S608 - names of tables

    def rows(self, table: Table, after: Row | None, most: int) -> list[Row]:
        """See Tables."""
        columns = ", ".join(self._plain(table.name, each) for each in table.columns)
        key, where = ", ".join(table.key), ""
        if after is not None:
            where = f"WHERE ({key}) > ({marks(after)})"
        # "C", as SQLite sorts texts, is what the tables' own texts of identifiers have
        sql = f"SELECT {columns} FROM {table.name} {where} ORDER BY {key} LIMIT %s"  # noqa: S608 - likewise
        with self._pool.lent(within=None) as connection:
            return run(connection, sql, (*(after or ()), most))

    def _plain(self, table: str, column: str) -> str:
        kind = self._types[table][column]
        return (
            f"{column}::{'int' if kind == 'boolean' else 'text'}" if kind in ("boolean", "date") else column
        )

    def write(self, table: Table, rows: Sequence[Row]) -> None:
        """See Tables. By COPY into a table of the transaction's own, and from there."""
        columns = ", ".join(table.columns)
        types = [self._types[table.name][each] for each in table.columns]
        with self._pool.transaction(within=None) as statement:
            like = f"SELECT {columns} FROM {table.name} LIMIT 0"  # noqa: S608 - names of tables
            statement(f"CREATE TEMP TABLE coming ON COMMIT DROP AS {like}")
            typed = ([_typed(*each) for each in zip(row, types, strict=True)] for row in rows)
            statement.copy(f"COPY coming ({columns}) FROM STDIN", typed)
            statement(
                f"INSERT INTO {table.name} ({columns}) OVERRIDING SYSTEM VALUE"  # noqa: S608 - likewise
                f" SELECT {columns} FROM coming ON CONFLICT DO NOTHING"
            )

    def finish(self) -> None:
        """See Tables. The server samples the tables, so that it plans for full ones from the start."""
        for table in self.tables():
            with self._pool.lent(within=None) as connection:
                run(connection, f"ANALYZE {table}")
        for table, column in self._numbered.items():
            self._pool.write(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'),"  # noqa: S608 - names of tables
                f" greatest((SELECT max({column}) FROM {table}), 1))"
            )


def _typed(value: Any, kind: str) -> Any:
    return bool(value) if kind == "boolean" and value is not None else value
