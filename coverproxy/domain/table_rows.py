"""The rows of a table of text, of which a damaged one costs only itself."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator

MOST_LINES = 20
"""Lines that one row may take: a quoted cell can hold line breaks."""


def delimiter_of(line: str) -> str:
    """Return what parts the cells of a table that begins with *line*."""
    return next((mark for mark in "\t;," if mark in line), ",")


def table_rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the rows that hold anything, each with the number of its first line.

    Instead of a damaged row comes what is wrong with it. A quotation mark that is not closed, or not where a
    cell ends, costs its own line only: the csv module alone would read on to the next mark or the end.
    """
    source = _Lines(lines)
    delimiter = delimiter_of(source.skip_blank())
    while True:
        number = source.number
        row = _row(source, delimiter)
        if row is None:
            return
        if isinstance(row, str) or any(cell.strip() for cell in row):
            yield number, row


def _row(source: "_Lines", delimiter: str) -> list[str] | str | None:
    """Read one row; a text says what is wrong with its first line, None that there is none."""
    taken: list[str] = []
    try:
        return next(csv.reader(source.feed(taken), delimiter=delimiter, strict=True), None)
    except csv.Error as exc:
        source.give_back(taken[1:])
        return "a quotation mark has no partner" if '"' in taken[0] else str(exc)


class _Lines:
    """Lines that can be given back. `number` is that of the next one."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._source = iter(lines)
        self._waiting: deque[str] = deque()
        self.number = 1

    def feed(self, taken: list[str]) -> Iterator[str]:
        """Yield what one row may take, and keep it in *taken*."""
        while len(taken) < MOST_LINES:
            line = self._next()
            if line is None:
                return
            taken.append(line)
            yield line

    def give_back(self, lines: list[str]) -> None:
        """Put lines back to the front."""
        self._waiting.extendleft(reversed(lines))
        self.number -= len(lines)

    def skip_blank(self) -> str:
        """Return the first line that is not blank, without taking it; "" if there is none."""
        while (line := self._next()) is not None:
            if line.strip():
                self.give_back([line])
                return line
        return ""

    def _next(self) -> str | None:
        line = self._waiting.popleft() if self._waiting else next(self._source, None)
        self.number += line is not None
        return line
