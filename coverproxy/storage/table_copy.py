"""Tables of one database as rows that another can take: the same values, whatever engine keeps them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

Row = tuple[Any, ...]

_ISBN = 1
"""The scheme of ISBNs, which SQLite holds as integers, and PostgreSQL as text of 13 digits."""

NOT_COPIED = frozenset(
    {"key_version", "total", "by_source", "stale", "change", "change_forgotten", "coverproxy_schema"}
    | {"making", "rate_limit", "sqlite_sequence", "turn"}
)
"""Tables that follow from others, or are worth nothing elsewhere: a node's log, what paces clients, turns."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns, and those that identify a row, in the order of its index."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def key_of(self, row: Row) -> Row:
        """Return the key of a row."""
        return tuple(row[self.columns.index(name)] for name in self.key)


class Tables(Protocol):
    """Reads and writes whole tables. Flags are 0 and 1, days ISO 8601, values of identifiers text."""

    def tables(self) -> dict[str, Table]:
        """Return the tables that there are, but for NOT_COPIED."""
        ...

    def count(self, name: str) -> int:
        """Return how many rows a table has."""
        ...

    def rows(self, table: Table, after: Row | None, most: int) -> list[Row]:
        """Return the next rows after a key, in the order of keys."""
        ...

    def write(self, table: Table, rows: Sequence[Row]) -> None:
        """Enter rows, all or none; those that are there already stay as they are."""
        ...

    def finish(self) -> None:
        """Have numbers that are given from now on follow those that were copied."""
        ...


def every_row(tables: Tables, table: Table, after: Row | None, most: int) -> Iterator[list[Row]]:
    """Yield all rows after a key in portions of *most*."""
    while rows := tables.rows(table, after, most):
        yield rows
        after = table.key_of(rows[-1])


def digest_of(rows: Iterable[Row]) -> int:
    """Return a fingerprint of rows that does not depend on their order; two sum up to that of both."""
    hashes = (blake2b(repr(row).encode(errors="surrogateescape"), digest_size=16).digest() for row in rows)
    return sum(int.from_bytes(each) for each in hashes) % (1 << 128)


def as_text(columns: Sequence[str], row: Sequence[Any]) -> Row:
    """Write values of identifiers as text, as PostgreSQL holds them."""
    found = list(row)
    for scheme, value in _pairs(columns):
        if isinstance(found[value], int):
            found[value] = f"{found[value]:013d}" if found[scheme] == _ISBN else str(found[value])
    return tuple(found)


def as_stored(columns: Sequence[str], row: Sequence[Any]) -> Row:
    """Write values of identifiers as SQLite holds them: the inverse of as_text()."""
    found = list(row)
    for scheme, value in _pairs(columns):
        if found[scheme] == _ISBN or (found[scheme] == 0 and found[value] == "0"):
            found[value] = int(found[value])
    return tuple(found)


def _pairs(columns: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where a scheme stands, and where the value that goes with it."""
    for at, name in enumerate(columns):
        if name.endswith("scheme") and name.removesuffix("scheme") + "value" in columns:
            yield at, columns.index(name.removesuffix("scheme") + "value")
