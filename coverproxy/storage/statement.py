"""What runs a statement, whichever the database."""

from typing import Any, Protocol

Rows = list[tuple[Any, ...]]


class Run(Protocol):
    """Runs a statement with its values to its end, and returns its rows."""

    def __call__(self, sql: str, values: Any = (), /) -> Rows:
        """Run it; *values*: a sequence for marks by place, a mapping for those by name."""
        ...
