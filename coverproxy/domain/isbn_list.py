"""Lists of ISBNs as people have them: a file with one a line, or a table with a column of them."""

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
    """A line of the list: its number, and what should be an ISBN."""

    number: int
    text: str


class NoColumn(ValueError):
    """The table has no column of that name."""


def lines(file: Iterable[str], column: str | None = None) -> Iterator[Row]:
    """Read the list: an ISBN a line, or a table whose `isbn` columns (else: first) have it, or the one named.

    Of several ISBN columns the first counts that holds an ISBN in that line. Blank lines and those that
    begin with # are passed over. Each line is read for itself: a stray quotation mark must not swallow the
    rest of the list, as it would in a CSV file read strictly. Raises NoColumn.
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
    """Say where a header's ISBN columns are, or those of EANs if there are none of ISBNs.

    Any spelling counts: ISBN, isbn13, "ISBN-13", isbn_10, eISBN.
    """
    words = [simplified(cell) for cell in header]
    return [at for at, word in enumerate(words) if _ISBN.fullmatch(word)] or [
        at for at, word in enumerate(words) if _EAN.fullmatch(word)
    ]


def simplified(name: str) -> str:
    """Return a column's name in small letters, without what stands between its words."""
    return _NO_WORD.sub("", name.casefold())


def first_isbn(cells: Sequence[str]) -> str:
    """Return the first cell that holds an ISBN, else the first that holds anything."""
    texts = [cell.strip() for cell in cells]
    if len(texts) > 1:  # what one column says is judged by who asked for it
        for text in texts:
            if is_isbn(text):
                return text
    return next((text for text in texts if text.strip('="')), texts[0] if texts else "")


def is_isbn(text: str) -> bool:
    """Say whether a cell holds an ISBN."""
    try:
        isbn.parse(text)
    except NotAnIsbn:
        return False
    return True


def _named(cells: list[str], column: str | None) -> list[int]:
    """Find the columns in a first line; none where that is no heading. Raises NoColumn."""
    names = [cell.strip() for cell in cells]
    if column is None:
        return isbn_columns(names)
    for at, name in enumerate(names):
        if name.casefold() == column.strip().casefold():
            return [at]
    raise NoColumn(f"the list has no column {column!r}: its first line has {', '.join(map(repr, names))}")
