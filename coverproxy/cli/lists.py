"""A list of ISBNs that a command is given: a file, or standard input."""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import IO

import click

from coverproxy.domain.isbn_list import Row, lines

STDIN = "-"


def listed_lines(stack: ExitStack, listed: str, column: str | None = None) -> tuple[Iterable[Row], int]:
    """Return the list's lines, and how many there are: a file is read twice, rather than kept in memory.

    Raises NoColumn.
    """
    if listed == STDIN:
        with _opened(listed) as file:
            kept = list(lines(file, column))
        return kept, len(kept)
    with _opened(listed) as file:
        total = sum(1 for _ in lines(file, column))
    return lines(stack.enter_context(_opened(listed)), column), total


def _opened(listed: str) -> IO[str]:
    return click.open_file(listed, encoding="utf-8", errors="replace")
