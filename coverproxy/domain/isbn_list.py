"""Lists of ISBNs: a file with one per line, or a table with an ISBN column."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from coverproxy.domain import isbn
from coverproxy.domain.errors import NotAnIsbn
from coverproxy.domain.table_rows import delimiter_of

_ISBN = re.compile(r"(?:[ep]|print)?isbns?(?:1[03])?(?:ean|nr|no|number|nummer)?")
_EAN = re.compile(r"(?:ean|gtin)(?:13)?(?:code)?")
_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list: its number, and the text that should be an ISBN."""

    number: int
    text: str


class NoColumn(ValueError):
    """The table has no column with that name."""


def lines(file: Iterable[str], column: str | None = None) -> Iterator[Row]:
    """Read a list: one ISBN per line, or a table. *column* names its column; default: `isbn`, else the first.

    With several ISBN columns, the first that holds an ISBN in that line counts. Blank lines and lines that
    begin with # are skipped. Each line is parsed on its own, so that a stray quotation mark cannot swallow
    the rest of the list, as it would in strict CSV. Raises NoColumn.
    """
    delimiter, at, is_first = ",", [0], True
    for number, text in enumerate(file, 1):
        text = text.strip("\ufeff\r\n ")
        if not text.strip() or text.startswith("#"):
            continue
        if is_first:
            delimiter = delimiter_of(text)
        cells = next(csv.reader([text], delimiter=delimiter), [])
        if is_first:
            is_first = False
            if named := _named(cells, column):
                at = named
                continue
        yield Row(number, first_isbn([cells[each] for each in at if each < len(cells)]))


def isbn_columns(header: Sequence[str]) -> list[int]:
    """Return the indexes of a header's ISBN columns, or of its EAN columns if it has none.

    Any spelling counts: ISBN, isbn13, "ISBN-13", isbn_10, eISBN.
    """
    words = [simplified(cell) for cell in header]
    return [at for at, word in enumerate(words) if _ISBN.fullmatch(word)] or [
        at for at, word in enumerate(words) if _EAN.fullmatch(word)
    ]


def simplified(name: str) -> str:
    """Return a column's name in lower case, without separators."""
    return _NO_WORD.sub("", name.casefold())


def first_isbn(cells: Sequence[str]) -> str:
    """Return the first cell that holds an ISBN, else the first that holds anything."""
    texts = [cell.strip() for cell in cells]
    if len(texts) > 1:  # a single column is the caller's to judge
        for text in texts:
            if is_isbn(text):
                return text
    return next((text for text in texts if text.strip('="')), texts[0] if texts else "")


def is_isbn(text: str) -> bool:
    """Return whether a cell holds an ISBN."""
    try:
        isbn.parse(text)
    except NotAnIsbn:
        return False
    return True


def _named(cells: list[str], column: str | None) -> list[int]:
    """Find the ISBN columns in the first line; empty if it is not a header. Raises NoColumn."""
    names = [cell.strip() for cell in cells]
    if column is None:
        return isbn_columns(names)
    for at, name in enumerate(names):
        if name.casefold() == column.strip().casefold():
            return [at]
    raise NoColumn(f"the list has no column {column!r}: its first line has {', '.join(map(repr, names))}")
