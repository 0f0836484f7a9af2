"""What differs between SQLite and PostgreSQL for stores whose statements are the same on both."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from coverproxy.domain.spec import Identifier
from coverproxy.originals.stored_identifier import as_text, from_text, read_identifier, stored
from coverproxy.storage.statement import Run, with_percent


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database runs statements with `?` marks, and holds identifiers.

    `stored`: the columns (scheme, value) of an identifier; `read`: the inverse; `every_book`: the two for all
    books at once. `among`: the condition, after a column, that it is one of several values; `as_one` makes
    them one parameter, so that the statement is the same for any number of them. `among_digests` and
    `digests`: the same of digests, which SQLite takes one by one. `skip_locked`: ends a query that passes
    over rows which others are writing.
    """

    read_rows: Run
    write_rows: Run
    stored: Callable[[Identifier], tuple[int, int | str]]
    read: Callable[[int, Any], Identifier]
    every_book: tuple[int, int | str]
    among: str
    as_one: Callable[[list[Any]], Any]
    among_digests: str
    digests: Callable[[Sequence[bytes]], Iterable[Any]]
    skip_locked: str = ""

    def by_scheme(self, identifiers: Iterable[Identifier]) -> list[tuple[int, Any]]:
        """Return each scheme that occurs, with the values of it as one parameter."""
        values: dict[int, list[int | str]] = {}
        for scheme, value in map(self.stored, identifiers):
            values.setdefault(scheme, []).append(value)
        return [(scheme, self.as_one(some)) for scheme, some in values.items()]


def sqlite_dialect(read: Run, write: Run) -> Dialect:
    """Return SQLite's; *read* and *write* run a statement."""
    among = "IN (SELECT value FROM json_each(?))"
    return Dialect(read, write, stored, read_identifier, (0, 0), among, json.dumps, "= ?", iter)


def postgres_dialect(read: Run, write: Run) -> Dialect:
    """Return PostgreSQL's; *read* and *write* run a statement with `%s` marks."""
    return Dialect(
        with_percent(read), with_percent(write), as_text, from_text, (0, "0"), "= ANY(?)", list,
        "= ANY(?)", lambda digests: [list(digests)], "FOR UPDATE SKIP LOCKED",
    )  # fmt: skip


def marks(values: Sequence[Any]) -> str:
    """Return a parameter's mark for each value, for a list in a statement."""
    return ", ".join("?" * len(values))


def entering(table: str, columns: str, key: str) -> str:
    """Write a statement that enters a row, in place of the one with the same *key*."""
    names = columns.split(", ")
    renewed = ", ".join(f"{each} = excluded.{each}" for each in names if each not in key.split(", "))
    return (
        f"INSERT INTO {table} ({columns}) VALUES ({marks(names)})"  # noqa: S608 - names of ours
        f" ON CONFLICT ({key}) DO UPDATE SET {renewed}"
    )
