"""Lists of identifiers: a file with one per line, or a table with columns of ISBNs or others."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from coverproxy.domain import isbn, schemes
from coverproxy.domain.errors import NotAnIsbn, UnknownScheme
from coverproxy.domain.table_rows import delimiter_of

_ISBN = re.compile(r"(?:[ep]|print)?isbns?(?:1[03])?(?:ean|nr|no|number|nummer)?")
_EAN = re.compile(r"(?:ean|gtin)(?:13)?(?:code)?")
_NO_WORD = re.compile(r"[\W_]+")

OTHER_WORDS = {
    word: name
    for name in schemes.ALL
    if name != schemes.ISBN
    for word in (name, f"{name}number", f"{name}no")
} | schemes.ALIASES
"""What columns of other identifiers than ISBNs are called, simplified, and their schemes."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list: its number, and the text that should be an ISBN or scheme:value."""

    number: int
    text: str


class NoColumn(ValueError):
    """The table has no column with that name."""


def lines(file: Iterable[str], column: str | None = None) -> Iterator[Row]:
    """Read a list: one ISBN or scheme:value per line, or a table. *column* names its column.

    By default a table's `isbn` columns count and, where they hold none in that line, its columns of other
    schemes (oclc, issn, lccn, local:AGENCY); without a header its first column. With several ISBN columns,
    the first that holds an ISBN in that line counts. Blank lines and lines that begin with # are skipped.
    Each line is parsed on its own, so that a stray quotation mark cannot swallow the rest of the list, as it
    would in strict CSV. Raises NoColumn.
    """
    delimiter, at, is_first = ",", IdentifierColumns([0]), True
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
        yield Row(number, at.read(cells))


@dataclass(frozen=True, slots=True)
class IdentifierColumns:
    """Where a table has identifiers: ISBNs, and others as (scheme, index) in the order to try them."""

    isbns: Sequence[int] = ()
    others: Sequence[tuple[str, int]] = ()

    def read(self, cells: Sequence[str]) -> str:
        """Return what names a line's item: its first ISBN, else its first other identifier, valid or not."""
        isbns = [cells[each] for each in self.isbns if each < len(cells)]
        text = first_isbn(isbns) if isbns else ""
        if is_isbn(text) or not self.others:
            return text
        named = ((scheme, cells[at].strip()) for scheme, at in self.others if at < len(cells))
        return next((f"{scheme}:{value}" for scheme, value in named if value), text)


def other_columns(header: Sequence[str]) -> list[tuple[str, int]]:
    """Return the columns of a header that hold other identifiers than ISBNs, as (scheme, index)."""
    found = ((_scheme(cell), at) for at, cell in enumerate(header))
    return [(scheme, at) for scheme, at in found if scheme]


def _scheme(cell: str) -> str:
    own = cell.strip().lower()
    return own if own.startswith(schemes.LOCAL) and _is_scheme(own) else OTHER_WORDS.get(simplified(cell), "")


def _is_scheme(name: str) -> bool:
    try:
        return bool(schemes.named(name))
    except UnknownScheme:
        return False


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


def _named(cells: list[str], column: str | None) -> IdentifierColumns | None:
    """Find the columns in the first line; None if it is not a header. Raises NoColumn."""
    names = [cell.strip() for cell in cells]
    others = other_columns(names)
    if column is None:
        found = IdentifierColumns(isbn_columns(names), others)
        return found if found.isbns or others else None
    for at, name in enumerate(names):
        if name.casefold() == column.strip().casefold():
            scheme = next((scheme for scheme, place in others if place == at), None)
            return IdentifierColumns(others=[(scheme, at)]) if scheme else IdentifierColumns([at])
    raise NoColumn(f"the list has no column {column!r}: its first line has {', '.join(map(repr, names))}")
