"""Reads a list of identifiers with the titles that stand beside them."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coverproxy.domain import schemes
from coverproxy.domain.errors import NotAnIdentifier, TooMany
from coverproxy.domain.identifier import Reading
from coverproxy.domain.isbn_list import Row, isbn_columns, lines, other_columns, simplified
from coverproxy.domain.table_rows import delimiter_of

MOST_TITLE_LINES = 3
MOST_TITLE = 120
"""Most characters of a title's line."""

_ISBN = re.compile(
    r"(?:isbns?(?:-?1[03])?\s*:?\s*)?(?:97[89][-\u2010-\u2013 ]?)?(?:\d[-\u2010-\u2013 ]?){9}[\dX]", re.I
)
_PREFIXED = re.compile(r"\s*((?:local:)?[A-Za-z]+:\s?[^\s,;]+)[\s,;]+(?=\S)(.*)", re.DOTALL)
_EDGES = ' \t,;:/|-\u2013\u2014"='
TITLE_COLUMN = re.compile(r"(?:main|short|book)?title|(?:haupt|buch)?titel|titre|titolo|t[ií]tulo")
AUTHOR_COLUMN = re.compile(r"authors?|autor(?:en|in|es)?|auteurs?|autore|creators?|verfasser(?:in)?")
"""Headers of the columns that hold a title, or an author, simplified."""


@dataclass(frozen=True, slots=True)
class TitledItem:
    """An item of the list: its line's number, what was written, its reading, and its title's lines."""

    number: int
    text: str
    reading: Reading
    title: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnreadEntry:
    """A line that holds no identifier, and why it is none."""

    number: int
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class TitledList:
    """A list as it was read: its items, each once, and the lines that were not understood."""

    entries: tuple[TitledItem, ...]
    unread: tuple[UnreadEntry, ...]


def read(text: str, most: int) -> TitledList:
    """Read a list of at most *most* lines, as isbn_list.lines() reads one.

    A title is what stands behind the identifier; in a table with a header the columns named title or author,
    else the cells behind the identifier's, else those before it. Raises TooMany.
    """
    whole = text.splitlines()
    rows = list(_bounded(whole, most))
    titles = _Titles(whole, {row.number for row in rows})
    entries: dict[tuple[object, ...], TitledItem] = {}
    unread: list[UnreadEntry] = []
    for row in rows:
        try:
            reading, rest = _reading(row.text)
        except NotAnIdentifier as exc:
            unread.append(UnreadEntry(row.number, row.text[:MOST_TITLE], exc.why))
            continue
        entry = TitledItem(row.number, row.text[:MOST_TITLE], reading, titles.of(row, rest))
        entries.setdefault(reading.identifiers, entry)
    return TitledList(tuple(entries.values()), tuple(unread))


def _bounded(whole: Sequence[str], most: int) -> Iterator[Row]:
    for count, row in enumerate(lines(whole), 1):
        if count > most:
            raise TooMany(f"the list has more than {most} identifiers")
        yield row


def _reading(text: str) -> tuple[Reading, str]:
    """Return what a cell names, and the rest of its text. Raises NotAnIdentifier."""
    clipped = text[: schemes.MAX_TEXT]
    try:
        reading = schemes.read(clipped)
    except NotAnIdentifier:
        found = _PREFIXED.fullmatch(clipped)
        if found is None:
            raise
        return schemes.read(found[1]), found[2]
    is_isbn = reading.identifiers[0].scheme in (schemes.ISBN, schemes.ISMN)
    return reading, _ISBN.sub("", clipped, count=1) if is_isbn else ""


class _Titles:
    """Finds the titles in a list's lines."""

    def __init__(self, whole: Sequence[str], read: set[int]) -> None:
        self._whole = whole
        first = next((at for at, line in enumerate(whole) if _counts(line)), 0)
        line = whole[first].strip("\ufeff\r\n ") if whole else ""
        self._delimiter = delimiter_of(line)
        header = _cells(line, self._delimiter) if first + 1 not in read else []
        self._identifiers = {*isbn_columns(header), *(at for _, at in other_columns(header))}
        self._named = [at for at, cell in enumerate(header) if _is_named(simplified(cell))]

    def of(self, row: Row, rest: str) -> tuple[str, ...]:
        """Return the lines of a row's title; *rest*: what stands beside the identifier in its cell."""
        cells = _cells(self._whole[row.number - 1], self._delimiter)
        if self._named:
            found = [cells[at] for at in self._named if at < len(cells)]
        else:
            found = self._beside(row, rest, cells)
        return tuple(each for each in map(_clean, found) if each)[:MOST_TITLE_LINES]

    def _beside(self, row: Row, rest: str, cells: Sequence[str]) -> list[str]:
        value = row.text.rpartition(":")[2].strip()
        at = next((at for at, cell in enumerate(cells) if value and value in cell), 0)
        behind = self._others(cells, range(at + 1, len(cells)))
        if _clean(rest):  # plain text, where a comma is one: "9780141439518 Emma / Austen, Jane"
            return ", ".join([rest, *behind]).split("\t")
        return behind if any(map(_clean, behind)) else self._others(cells, range(at))

    def _others(self, cells: Sequence[str], places: range) -> list[str]:
        return [cells[at] for at in places if at not in self._identifiers]


def _is_named(column: str) -> bool:
    return bool(TITLE_COLUMN.fullmatch(column) or AUTHOR_COLUMN.fullmatch(column))


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line.strip("\ufeff\r\n ")], delimiter=delimiter), [])


def _clean(text: str) -> str:
    return " ".join(text.split()).strip(_EDGES)[:MOST_TITLE]


def _counts(line: str) -> bool:
    text = line.strip("\ufeff\r\n ")
    return bool(text.strip()) and not text.startswith("#")


def written(entries: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Write identifiers and their titles as a list that read() reads as the same."""
    return "".join("\t".join((name, *(title or ("",)))) + "\n" for name, title in entries)
