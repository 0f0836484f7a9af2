"""Tables that link identifiers: each row names one item by several identifiers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coverproxy.domain import schemes
from coverproxy.domain.errors import NotAnIdentifier, UnknownScheme
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.isbn_list import isbn_columns, simplified
from coverproxy.domain.list_text import NotAList
from coverproxy.domain.table_rows import table_rows
from coverproxy.service.import_list import OTHER_WORDS, open_list

LEAST = 2
"""Least number of identifiers in a row."""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A row: its line number, its valid identifiers, and the faults of others, or of the row."""

    number: int
    identifiers: tuple[Identifier, ...] = ()
    faults: tuple[str, ...] = ()


def link_rows(path: Path) -> Iterator[LinkRow]:
    """Yield the rows of a table whose first line names its columns: isbn, issn, oclc, lccn, ean, olid, ….

    Other columns are ignored. Raises OSError, NotAList.
    """
    rows = table_rows(open_list(path))
    first = next(rows, None)
    header = first[1] if first else ""
    columns = columns_of(header) if isinstance(header, list) else []
    if not columns:
        known = ", ".join((*schemes.ALL, f"{schemes.LOCAL}AGENCY"))
        raise NotAList(f"its first line has no column for identifiers; expected some of {known}")
    return (_row(number, cells, columns) for number, cells in rows)


def columns_of(header: Sequence[str]) -> list[tuple[str, int]]:
    """Return the columns with identifiers, as (scheme, index), in the table's order."""
    isbns = set(isbn_columns(header))
    found = (_scheme(cell, is_isbn=at in isbns) for at, cell in enumerate(header))
    return [(scheme, at) for at, scheme in enumerate(found) if scheme]


def _scheme(cell: str, *, is_isbn: bool) -> str:
    own = cell.strip().lower()
    if own.startswith(schemes.LOCAL):
        try:
            return schemes.named(own).name
        except UnknownScheme:
            return ""
    word = simplified(cell)
    return OTHER_WORDS.get(word, ISBN if is_isbn else "")


def _row(number: int, cells: list[str] | str, columns: list[tuple[str, int]]) -> LinkRow:
    if isinstance(cells, str):
        return LinkRow(number, faults=(cells,))
    found: dict[Identifier, None] = {}
    faults: list[str] = []
    for scheme, at in columns:
        text = cells[at].strip() if at < len(cells) else ""
        if not text.strip('="'):
            continue
        try:
            reading = schemes.parse(scheme, text)
        except NotAnIdentifier as exc:
            faults.append(str(exc))
            continue
        if reading.sure is None:
            faults.append(f"{text[:40]!r} can mean any of {', '.join(map(str, reading.identifiers))}")
        else:
            found[reading.sure] = None
    if len(found) < LEAST:
        faults.append(f"{len(found)} valid identifiers; expected {LEAST} or more to link")
    return LinkRow(number, tuple(found), tuple(faults))
