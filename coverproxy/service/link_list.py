"""Tables that link identifiers: each row names one item by several identifiers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coverproxy.domain import schemes
from coverproxy.domain.errors import NotAnIdentifier
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.isbn_list import isbn_columns, other_columns
from coverproxy.domain.list_text import NotAList
from coverproxy.domain.table_rows import table_rows
from coverproxy.service.import_list import open_list

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
    others = other_columns(header)
    taken = {at for _, at in others}
    isbns = [(ISBN, at) for at in isbn_columns(header) if at not in taken]
    return sorted((*isbns, *others), key=lambda each: each[1])


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
