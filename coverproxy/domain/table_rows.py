"""Reads the rows of a text table. A damaged row loses only itself."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator

MOST_LINES = 20
"""Most lines of one row; a quoted cell can contain line breaks."""


def delimiter_of(line: str) -> str:
    """Return the delimiter of a table that begins with *line*.

    A bar counts in a header alone: catalogues join the ISBNs of one book by bars.
    """
    marks = "\t;," if any(char.isdigit() for char in line.partition("|")[2]) else "\t;,|"
    return next((mark for mark in marks if mark in line), ",")


def table_rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str] | str]]:
    """Yield each row that is not blank, with the number of its first line.

    A damaged row is yielded as an error text. An unclosed or misplaced quotation mark loses only its own
    line: the csv module alone would read on to the next mark or the end.
    """
    source = _PushbackLines(lines)
    delimiter = delimiter_of(source.skip_blank())
    while True:
        number = source.number
        row = _row(source, delimiter)
        if row is None:
            return
        if isinstance(row, str) or any(cell.strip() for cell in row):
            yield number, row


def _row(source: "_PushbackLines", delimiter: str) -> list[str] | str | None:
    """Read one row. Returns an error text if its first line is damaged, None at the end."""
    taken: list[str] = []
    try:
        return next(csv.reader(source.feed(taken), delimiter=delimiter, strict=True), None)
    except csv.Error as exc:
        source.give_back(taken[1:])
        return "a quotation mark has no partner" if '"' in taken[0] else str(exc)


class _PushbackLines:
    """Lines with pushback. `number` is the number of the next line."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._source = iter(lines)
        self._waiting: deque[str] = deque()
        self.number = 1

    def feed(self, taken: list[str]) -> Iterator[str]:
        """Yield the lines that one row may use, and record them in *taken*."""
        while len(taken) < MOST_LINES:
            line = self._next()
            if line is None:
                return
            taken.append(line)
            yield line

    def give_back(self, lines: list[str]) -> None:
        """Push lines back to the front."""
        self._waiting.extendleft(reversed(lines))
        self.number -= len(lines)

    def skip_blank(self) -> str:
        """Return the first line that is not blank, without consuming it; "" at the end."""
        while (line := self._next()) is not None:
            if line.strip():
                self.give_back([line])
                return line
        return ""

    def _next(self) -> str | None:
        line = self._waiting.popleft() if self._waiting else next(self._source, None)
        self.number += line is not None
        return line
