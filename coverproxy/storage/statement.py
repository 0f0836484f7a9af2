"""The type of functions that run a statement, for both databases."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol

Rows = list[tuple[Any, ...]]


class Run(Protocol):
    """Runs a statement with its values to its end, and returns its rows."""

    def __call__(self, sql: str, values: Any = (), /) -> Rows:
        """Run it; *values*: a sequence for marks by place, a mapping for those by name."""
        ...


class Copy(Protocol):
    """Runs COPY … FROM STDIN with rows, and returns how many there were."""

    def __call__(self, sql: str, rows: Iterable[Sequence[Any]], /) -> int:
        """Run it, however long it takes."""
        ...


def with_percent(run: Run) -> Run:
    """Return *run* for statements with `?` marks, where the database's own are `%s`."""

    def converted(sql: str, values: Any = (), /) -> Rows:
        return run(_percent(sql), values)

    return converted


@lru_cache(maxsize=1024)
def _percent(sql: str) -> str:
    return sql.replace("?", "%s")
