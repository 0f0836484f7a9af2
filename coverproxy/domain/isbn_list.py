"""Lists of ISBNs as people have them: a file with one a line, or a table with a column of them."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_COLUMN = re.compile(r"isbn(?:[-_ ]?1[03])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list: its number, and what should be an ISBN."""

    number: int
    text: str


class NoColumn(ValueError):
    """The table has no column of that name."""


def lines(file: Iterable[str], column: str | None = None) -> Iterator[Row]:
    """Read the list: an ISBN a line, or a table whose `isbn` column (else: first) has it, or the one named.

    Blank lines and those that begin with # are passed over. Each line is read for itself: a stray quotation
    mark must not swallow the rest of the list, as it would in a CSV file read strictly. Raises NoColumn.
    """
    delimiter, at, is_first = ",", 0, True
    for number, text in enumerate(file, 1):
        text = text.strip("\ufeff\r\n ")
        if not text.strip() or text.startswith("#"):
            continue
        if is_first:
            delimiter = next((mark for mark in "\t;," if mark in text), ",")
        cells = next(csv.reader([text], delimiter=delimiter), [])
        if is_first:
            is_first = False
            named = _named(cells, column)
            if named is not None:
                at = named
                continue
        yield Row(number, cells[at].strip() if at < len(cells) else "")


def _named(cells: list[str], column: str | None) -> int | None:
    """Find the column in a first line; None where that is no heading. Raises NoColumn."""
    names = [cell.strip() for cell in cells]
    if column is None:
        return next((at for at, name in enumerate(names) if _COLUMN.fullmatch(name)), None)
    for at, name in enumerate(names):
        if name.casefold() == column.strip().casefold():
            return at
    raise NoColumn(f"the list has no column {column!r}: its first line has {', '.join(map(repr, names))}")
