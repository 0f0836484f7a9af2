"""What differs between SQLite and PostgreSQL for stores whose statements are the same on both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coverproxy.domain.spec import Identifier

Run = Callable[..., list[tuple[Any, ...]]]
"""Runs a statement with its values, and returns its rows."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database runs statements with `?` marks, and holds identifiers.

    `stored`: the columns (scheme, value) of an identifier; `read`: the inverse.
    """

    read_rows: Run
    write_rows: Run
    stored: Callable[[Identifier], tuple[int, int | str]]
    read: Callable[[int, Any], Identifier]


def with_percent(run: Run) -> Run:
    """Return *run* for statements with `?` marks, where the database's own are `%s`."""

    def converted(sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        return run(sql.replace("?", "%s"), values)

    return converted
